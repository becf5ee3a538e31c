"""A sent table on its way in: kept, mapped, checked, compared; `uploads` is the door."""

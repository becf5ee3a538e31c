"""The page of a box: its places as they lie, row by row."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from cohorts import access
from cohorts.models import Box, Sample
from cohorts.views import user_of


@login_required
def box(request: HttpRequest, box_id: int) -> HttpResponse:
    """Which tube is in which place, and which places are free."""
    user = user_of(request)
    found = get_object_or_404(Box.objects.visible_to(user).select_related("site"), pk=box_id)
    tubes = {
        (tube.box_row, tube.box_column): tube
        for tube in Sample.objects.visible_to(user).filter(box=found)
    }
    columns = range(1, found.n_columns + 1)
    context = {
        "box": found,
        "site": found.site,
        "columns": columns,
        "rows": [
            (row, [tubes.get((row, column)) for column in columns])
            for row in range(1, found.n_rows + 1)
        ],
        "n_tubes": len(tubes),
        "n_free": found.n_rows * found.n_columns - len(tubes),
        "may_handle": access.may(user, "sample", "U", found.site_id),
    }
    return render(request, "cohorts/box.html", context)

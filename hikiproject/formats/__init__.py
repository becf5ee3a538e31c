"""How dates are written on pages, a module a language; what is not said here is as Django has it.

What people type and what files hold is ISO 8601 in every language.
"""

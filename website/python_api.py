"""The reference of the public Python names; mkdocstrings fills it in when the site is built."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from website.markdown import code, page, sentence, table
from website.places import PUBLIC_MODULES


def python_pages() -> dict[str, str]:
    """A page for each public module, and the list of them, by file name."""
    shown: dict[int, str] = {}
    pages = {_file(module): _module_page(module, shown) for module in PUBLIC_MODULES}
    rows = [(f"[{code(module)}]({_file(module)})", _summary(module)) for module in PUBLIC_MODULES]
    index = page(
        "Python API",
        "The names that programs may import. A name that is not listed here is private and may"
        " change in any version.",
        table(("module", "contents"), rows),
    )
    return {"index.md": index, **pages}


def _module_page(name: str, shown: dict[int, str]) -> str:
    module = import_module(name)
    elsewhere: list[tuple[str, str]] = []
    directives: list[str] = []
    for public in sorted(module.__all__):
        value = getattr(module, public)
        full = f"{name}.{public}"
        if isinstance(value, ModuleType):
            elsewhere.append((code(full), _link(value)))
        elif id(value) in shown:
            home = shown[id(value)]
            link = f"[{code(home)}]({_file(home.rpartition('.')[0])}#{home})"
            elsewhere.append((code(full), f"the same as {link}"))
        else:
            # Plain values, such as those of `towpath.runtime`, may be one object by chance.
            if hasattr(value, "__module__"):
                shown[id(value)] = full
            directives.append(f"::: {full}")
    parts = [_first_paragraph(module)]
    if elsewhere:
        parts.append(table(("name", "described at"), elsewhere))
    return page(name, *parts, *directives)


def _first_paragraph(module: ModuleType) -> str:
    """The first paragraph of a module's docstring."""
    return sentence((module.__doc__ or "").partition("\n\n")[0])


def _link(module: ModuleType) -> str:
    """To a module's page; a module without one is described here."""
    name = module.__name__
    return f"[{code(name)}]({_file(name)})" if name in PUBLIC_MODULES else _first_paragraph(module)


def _summary(name: str) -> str:
    return _first_paragraph(import_module(name))


def _file(module: str) -> str:
    return f"{module}.md"

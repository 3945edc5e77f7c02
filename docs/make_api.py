"""Write pages about the library's modules, from their docstrings, to site/.

    python -m docs.make_api

A docstring that cannot be rendered, or a public name that leads nowhere, is an error.
"""

import warnings
from pathlib import Path
from pkgutil import iter_modules

import pdoc

import analysis


def main() -> None:
    warnings.simplefilter("error", UserWarning)
    for name in analysis.__all__:
        getattr(analysis, name)  # names are loaded when they are used, pdoc looks at what is there
    pdoc.render.configure(docformat="numpy")
    rooms = [module.name for module in iter_modules(analysis.__path__, "analysis.")]
    pdoc.pdoc("analysis", *rooms, output_directory=Path("site"))  # rooms bring their modules


if __name__ == "__main__":
    main()

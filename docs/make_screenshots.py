"""Screenshots for the README: ``python docs/make_screenshots.py [CHECKPOINTS]``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from models.recogniser import variants  # noqa: E402
from tests.dashboard import chromium, open_page, running  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SAMPLE = "spoken_repetition"
SHOTS = {  # file name: width, height, colour scheme
    "compare-light": (1440, 1750, "light"),
    "compare-dark": (1440, 1750, "dark"),
    "compare-narrow": (420, 900, "light"),
}


def main(folder: str | None = None) -> None:
    """Write every screenshot."""
    checkpoints = Path(folder) if folder else None
    figures = 1 + sum(info.checkpoint is not None for info in variants(checkpoints))
    IMAGES.mkdir(parents=True, exist_ok=True)
    with running(checkpoints) as address, chromium() as browser:
        for name, (width, height, scheme) in SHOTS.items():
            page = open_page(
                browser,
                f"{address}/?sample={SAMPLE}",
                figures,
                viewport={"width": width, "height": height},
                color_scheme=scheme,
            )
            page.wait_for_timeout(1_000)
            page.screenshot(path=IMAGES / f"{name}.png")
            page.close()
            print(f"docs/images/{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])

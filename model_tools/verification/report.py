"""A verification as one web page that needs nothing else."""

import base64
import html
import io
from dataclasses import asdict
from pathlib import Path

from model_tools.annotate import draw_detections
from model_tools.pictures import opened_picture
from model_tools.verification.verify import Verification
from vision.detections import Detection

_WIDTH_PX = 420
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .3rem .8rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr + tr { border-top: 1px solid #8884; }
.runs { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; }
img { max-width: 100%; border-radius: 4px; } code { overflow-wrap: anywhere; }
.bad { color: #c02020; } @media (prefers-color-scheme: dark) { .bad { color: #ff8a80; } }
"""


def as_html(found: Verification, pictures: dict[str, Path], max_drop: float) -> str:
    """Return the page; pictures on which runs differ are shown with what each run says.

    Args:
        found: the verification.
        pictures: files by name.
        max_drop: largest share of answers that may differ.
    """
    verdict = "agrees" if found.drop <= max_drop else "does not agree"
    title = html.escape(f"{found.name} {found.version} {verdict}")
    rows = "".join(
        f"<tr{' class=bad' if 1 - one.agreement.share > max_drop else ''}>"
        f"<td>{html.escape(one.title)}</td><td>{one.agreement.share:.2%}</td>"
        f"<td>{one.agreement.largest_absolute:.1e}</td>"
        f"<td>{one.agreement.largest_relative:.1e}</td><td>{one.agreement.pictures}</td></tr>"
        for one in found.comparisons
    )
    diagnosis = (
        f"<p class=bad><b>Likely cause:</b> {html.escape(found.diagnosis)}</p>"
        if found.diagnosis
        else ""
    )
    shown = "".join(
        f"<h2>{html.escape(name)}</h2><div class=runs>"
        + "".join(_figure(pictures[name], run, answers) for run, answers in runs.items())
        + "</div>"
        for name, runs in found.answers.items()
        if name in pictures
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>SHA-256 <code>{found.digest}</code></p>{diagnosis}"
        "<table><tr><th>comparison</th><th>agreement</th><th>largest difference</th>"
        f"<th>relative</th><th>pictures</th></tr>{rows}</table>{shown}</html>\n"
    )


def _figure(file: Path, run: str, answers: list[Detection]) -> str:
    image = opened_picture(file)
    image.thumbnail((_WIDTH_PX, _WIDTH_PX))
    drawn = draw_detections(image, [asdict(one) for one in answers if one.score >= 0.5])  # noqa: PLR2004 - what a reader would look at
    content = io.BytesIO()
    drawn.save(content, "PNG", optimize=True)
    data = base64.b64encode(content.getvalue()).decode()
    best = html.escape(
        ", ".join(f"{one.label} {one.score:.2f}" for one in answers[:3]) or "nothing"
    )
    return (
        f"<figure><img alt='{best}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{html.escape(run)}: {best}</figcaption></figure>"
    )

"""Report of a verification: one self-contained HTML page."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from model_tools.images import draw_detections, open_image_file
from model_tools.verification.verify import MOST_SHOWN, Verification
from shared.vision.detections import Detection

_WIDTH_PX = 420
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif;
  --back: #fbfaf7; --ink: #1d2327; --quiet: #55606a; --line: #cfd4d8; --bad: #a3161f; --good: #1b6438; }
@media screen and (prefers-color-scheme: dark) { :root {
  --back: #15181b; --ink: #e7eaec; --quiet: #a7b0b8; --line: #3c434a; --bad: #ff9d9d; --good: #86d6a0; } }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; background: var(--back); color: var(--ink); }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .8rem; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--quiet); } tbody tr { border-top: 1px solid var(--line); }
.runs { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr)); gap: 1rem; }
.runs > * { margin: 0; } img { width: 100%; max-width: 420px; border-radius: 4px; display: block; }
figcaption { font-size: .92rem; } figcaption b { display: block; }
code { overflow-wrap: anywhere; } h3 { overflow-wrap: anywhere; }
.bad { color: var(--bad); } .good { color: var(--good); }
"""  # noqa: E501 - CSS lines


def report_page(verification: Verification, images: dict[str, Path], max_drop: float) -> str:
    """Return the HTML page: comparisons, the next step, and images with each run's detections.

    Args:
        verification: the result.
        images: the image files by name; empty for generated noise.
        max_drop: the largest accepted share of detections that differ.
    """
    verdict = "agrees" if verification.drop <= max_drop else "does not agree"
    title = html.escape(f"{verification.name} {verification.version} {verdict}")
    rows = "".join(
        f"<tr{' class=bad' if 1 - comparison.agreement.share > max_drop else ''}>"
        f"<td>{html.escape(comparison.title)}</td><td>{comparison.agreement.share:.2%}</td>"
        f"<td>{comparison.agreement.largest_absolute:.1e}</td>"
        f"<td>{comparison.agreement.largest_relative:.1e}</td>"
        f"<td>{comparison.agreement.pictures}</td></tr>"
        for comparison in verification.comparisons
    )
    diagnosis = (
        f"<p class=bad><b>Likely cause:</b> {html.escape(verification.diagnosis)}</p>"
        if verification.diagnosis
        else ""
    )
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<style>{_STYLE}</style></head><body><main>"
        f"<h1>{title}</h1><p>SHA-256 <code>{html.escape(verification.digest)}</code></p>{diagnosis}"
        f"<p>Next: {_code(next_step(verification, max_drop))}</p>"
        "<div class=scroll tabindex=0 role=region aria-label=Comparisons><table><thead><tr>"
        "<th scope=col>comparison</th><th scope=col>agreement</th>"
        "<th scope=col>largest difference</th><th scope=col>relative</th>"
        f"<th scope=col>images</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f"{_images(verification, images)}</main></body></html>\n"
    )


def next_step(verification: Verification, max_drop: float) -> str:
    """Return the step after the verification, with commands in backquotes."""
    if verification.drop <= max_drop:
        return f"`deeplens release pin environments/dev.toml {verification.digest}`"
    if verification.diagnosis:
        return "correct the preprocessing, and run `deeplens model package` again"
    differing = [
        comparison for comparison in verification.comparisons if comparison.agreement.share < 1
    ]
    if any("openvino" in comparison.title for comparison in differing):
        return (
            'set `engine = "tensorflow"` below `[inference]` in the environment file, and run '
            "`deeplens model verify --engine tensorflow`"
        )
    return "compare the options of `deeplens model package` with the training's preprocessing"


def _code(text: str) -> str:
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))


def _images(verification: Verification, images: dict[str, Path]) -> str:
    names = [name for name in verification.answers if name in images]
    if not names:
        return ""
    differing = {
        name for comparison in verification.comparisons for name in comparison.agreement.differing
    }
    labels = sorted(
        {
            detection.label
            for runs in verification.answers.values()
            for detections in runs.values()
            for detection in detections
        }
    )
    sections = "".join(
        f"<h3>{html.escape(name)}: "
        + ("<span class=bad>differs" if name in differing else "<span class=good>agrees")
        + "</span></h3><div class=runs>"
        + "".join(
            _figure(images[name], run, detections, labels, verification.threshold)
            for run, detections in verification.answers[name].items()
        )
        + "</div>"
        for name in names[:MOST_SHOWN]
    )
    shown = min(len(names), MOST_SHOWN)
    return (
        "<h2>Images with the detections of each run</h2>"
        f"<p>{shown} of {len(images)} images; those on which the runs differ come first.</p>"
        f"{sections}"
    )


def _figure(
    file: Path, run: str, detections: list[Detection], labels: Sequence[str], threshold: float
) -> str:
    shown = [detection for detection in detections if detection.score >= threshold]
    if detections and detections[0].box is None:
        # A classifier's best label is compared at any score.
        shown = detections[:1]
    image = open_image_file(file)
    image.thumbnail((_WIDTH_PX, _WIDTH_PX))
    drawn = draw_detections(image, [asdict(detection) for detection in shown], labels)
    content = io.BytesIO()
    drawn.save(content, "PNG", optimize=True)
    data = base64.b64encode(content.getvalue()).decode()
    text = ", ".join(f"{detection.label} {detection.score:.2f}" for detection in shown)
    best = html.escape(text or "nothing")
    return (
        f'<figure><img alt="{html.escape(run)}: {best}" src="data:image/png;base64,{data}">'
        f"<figcaption><b>{html.escape(run)}</b> {best}</figcaption></figure>"
    )

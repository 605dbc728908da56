"""A verification as one web page that needs nothing else."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from model_tools.annotate import draw_detections
from model_tools.pictures import opened_picture
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
figure { margin: 0; } img { width: 100%; max-width: 420px; border-radius: 4px; display: block; }
figcaption { font-size: .92rem; } figcaption b { display: block; }
code { overflow-wrap: anywhere; } h3 { overflow-wrap: anywhere; }
.bad { color: var(--bad); } .good { color: var(--good); }
"""  # noqa: E501 - CSS


def as_html(found: Verification, pictures: dict[str, Path], max_drop: float) -> str:
    """Return the page: the comparisons, the next step, and images with the detections of each run.

    Args:
        found: the verification.
        pictures: the files of the images by name; there are none for generated noise.
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
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<style>{_STYLE}</style></head><body><main>"
        f"<h1>{title}</h1><p>SHA-256 <code>{html.escape(found.digest)}</code></p>{diagnosis}"
        f"<p>Next: {_code(next_step(found, max_drop))}</p>"
        "<div class=scroll tabindex=0 role=region aria-label=Comparisons><table><thead><tr>"
        "<th scope=col>comparison</th><th scope=col>agreement</th>"
        "<th scope=col>largest difference</th><th scope=col>relative</th>"
        f"<th scope=col>images</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f"{_images(found, pictures)}</main></body></html>\n"
    )


def next_step(found: Verification, max_drop: float) -> str:
    """Return what to do after the verification; commands are between backquotes."""
    if found.drop <= max_drop:
        return f"`deeplens release pin environments/dev.toml {found.digest}`"
    if found.diagnosis:
        return "correct the pre-processing, and run `deeplens model package` again"
    if any("openvino" in one.title for one in found.comparisons if one.agreement.share < 1):
        return (
            'set `engine = "tensorflow"` below `[inference]` in the environment file, and run '
            "`deeplens model verify --engine tensorflow`"
        )
    return "compare the options of `deeplens model package` with the training's pre-processing"


def _code(text: str) -> str:
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))


def _images(found: Verification, pictures: dict[str, Path]) -> str:
    names = [name for name in found.answers if name in pictures]
    if not names:
        return ""
    differing = {name for one in found.comparisons for name in one.agreement.differing}
    labels = sorted(
        {one.label for runs in found.answers.values() for run in runs.values() for one in run}
    )
    sections = "".join(
        f"<h3>{html.escape(name)}: "
        + ("<span class=bad>differs" if name in differing else "<span class=good>agrees")
        + "</span></h3><div class=runs>"
        + "".join(
            _figure(pictures[name], run, answers, labels, found.threshold)
            for run, answers in found.answers[name].items()
        )
        + "</div>"
        for name in names[:MOST_SHOWN]
    )
    shown = min(len(names), MOST_SHOWN)
    return (
        "<h2>Images with the answer of each run</h2>"
        f"<p>{shown} of {len(pictures)} images; those on which the runs differ come first.</p>"
        f"{sections}"
    )


def _figure(
    file: Path, run: str, answers: list[Detection], labels: Sequence[str], threshold: float
) -> str:
    shown = [one for one in answers if one.score >= threshold]
    if answers and answers[0].box is None:
        # A classifier's best label counts, whatever its score is.
        shown = answers[:1]
    image = opened_picture(file)
    image.thumbnail((_WIDTH_PX, _WIDTH_PX))
    drawn = draw_detections(image, [asdict(one) for one in shown], labels)
    content = io.BytesIO()
    drawn.save(content, "PNG", optimize=True)
    data = base64.b64encode(content.getvalue()).decode()
    best = html.escape(", ".join(f"{one.label} {one.score:.2f}" for one in shown) or "nothing")
    return (
        f'<figure><img alt="{html.escape(run)}: {best}" src="data:image/png;base64,{data}">'
        f"<figcaption><b>{html.escape(run)}</b> {best}</figcaption></figure>"
    )

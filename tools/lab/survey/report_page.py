"""A survey's report as text and as one HTML file, from the same parts."""

from collections.abc import Sequence

from edge_infer.lab.report.markup import element, html
from edge_infer.lab.report.page import page_head
from edge_infer.lab.report.tables import remark, table
from edge_infer.lab.survey.survey_report import Section


def report_page(title: str, parts: Sequence[Section]) -> str:
    """Return the report as HTML: no script, nothing from elsewhere."""
    made = [
        element(
            "section",
            element("h2", part.title),
            table(part.heading, part.rows, words=True),
            *(remark(text) for text in part.remarks),
        )
        for part in parts
    ]
    main = element("main", element("header", element("h1", title)), *made)
    return html(element("html", page_head(title), element("body", main), lang="en"))


def report_text(title: str, parts: Sequence[Section]) -> str:
    """Return the report as lines of text."""
    lines = [title, "=" * len(title)]
    for part in parts:
        lines += ["", part.title, "-" * len(part.title)]
        rows = [row for row in (part.heading, *part.rows) if any(row)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(part.heading))]
        lines += ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip()
                  for r in rows]  # fmt: skip
        lines += list(part.remarks)
    return "\n".join(lines) + "\n"

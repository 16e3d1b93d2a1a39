"""The example notebook, run by a kernel of its own, and what its cells show."""

from __future__ import annotations

import base64
import re
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from metaflow_hera import DeployedFlow, Flow

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook" / "curve.ipynb"
SVG = "{http://www.w3.org/2000/svg}"


def executed(notebook: Path) -> dict[str, list[Any]]:
    """The outputs of each cell by the beginning of its last line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a kernel's libraries say of each other
        import nbclient
        import nbformat

        cells = nbformat.read(notebook, as_version=4)
        nbclient.NotebookClient(cells, timeout=120, resources={"metadata": {"path": "."}}).execute()
    return {cell.source.splitlines()[-1][:16]: cell.get("outputs", []) for cell in cells.cells}


def shown(outputs: list[Any], kind: str) -> str:
    [text] = [output.data[kind] for output in outputs if kind in output.get("data", {})]
    return str(text)


def printed(outputs: list[Any]) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_the_example_notebook_runs_and_shows_what_it_says(engine: None) -> None:
    cells = executed(NOTEBOOK)
    picture = ElementTree.fromstring(shown(cells["draw(CurveFlow)"], "image/svg+xml"))
    assert [each.text for each in picture.iter(f"{SVG}text") if each.get("class") == "name"] == [
        "start",
        "fit",
        "choose",
        "end",
    ]
    assert re.findall(r"degree (\d+): error 0\.\d+", printed(cells["runner.cleanup()"])) != []
    assert len(re.findall(r'<g class="succeeded">', shown(cells["first"], "text/html"))) == 4
    assert "1.0" not in shown(cells["first.data.error"], "text/plain")
    assert "<td>noise</td><td>0.1</td>" in shown(cells["deployed"], "text/html")
    assert re.search(r"Succeeded \d+s", printed(cells["second = trigger"]))
    assert shown(cells['second["fit"]'], "text/html").count("<td>Succeeded</td>") == 5
    image = base64.b64decode(shown(cells["right.legend();"], "image/png"))
    assert image.startswith(b"\x89PNG") and len(image) > 20_000
    assert "its latest 2 runs" in shown(cells['Flow("CurveFlow"'], "text/html")

    second, first = Flow("CurveFlow")
    assert (first.data.degree, second.data.noise) == (5, 0.4)
    assert first.data.errors[first.data.degree] < 0.2 < second.data.errors[second.data.degree]
    assert list(DeployedFlow.list_deployed_flows()) == []

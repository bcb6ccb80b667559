"""What runs in a page: the scripts of this folder, and the data that they get, in one piece of HTML.

ES modules do not load from ``file://``, so the scripts are no modules: each is one constant or function, and `script` puts
those that a page needs into one function, which leaves no name behind. `_decoding.js`, `_drawing.js` and `_playing.js` serve
the attention player and the page "Try it"; `_features.js`, `_network.js` and `_worker.js` compute in that page.
"""

import base64
import functools
import io
import json
from importlib import resources

import soundfile

from sermodules.corpora.audio import SAMPLE_RATE


@functools.cache
def source(name):
    """Return the text of a script or style of this folder.

    See chapter "Try it".

    Parameters
    ----------
    name : str
        Of the file.

    Returns
    -------
    str

    Examples
    --------
    >>> from sermodules.plots import browser
    >>> "const network" in browser.source("_network.js")
    True
    """
    return resources.files("sermodules.plots").joinpath(name).read_text(encoding="utf-8").strip()


def script(function, modules, name, data):
    """Return a ``<script>`` that gives data to a function.

    Parameters
    ----------
    function : str
        The last of the modules defines it. It gets the id, the element of the script, and the data.
    modules : list of str
        Files of this folder, each below those that it uses.
    name : str
        Id of the element that the script belongs to.
    data : object
        What JSON can hold.

    Returns
    -------
    str
        HTML that is XML too.
    """
    sources = "\n".join(map(source, modules))
    return f"""<script>//<![CDATA[
((id, script, data) => {{
"use strict";
{sources}
{function}(id, script, data);
}})("{name}", document.currentScript, {as_json(data)});
//]]></script>"""


def as_json(data):
    """Write JSON that no parser of HTML or XML takes for markup."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def wav(signal):
    """Return a signal, shape (samples,) at 16 kHz, as the data URI of a WAV file of 16 bits."""
    file = io.BytesIO()
    soundfile.write(file, signal, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode()

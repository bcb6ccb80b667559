"""Any permutation of what tables have and suffer from ends in the right corpus, or in a message that names line and cure."""

import csv
import io
import re
import unicodedata
import warnings

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sermodules import corpora
from sermodules.corpora import unusable
from sermodules.errors import AudioError, CorpusError

HEADER = ["utterance", "path", "speaker", "session", "gender", "emotion"]
SECONDS = 0.3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hold twelve recordings, and what is none."""
    root = tmp_path_factory.mktemp("faults")
    (root / "wav").mkdir()
    for number in range(12):
        noise = np.random.default_rng(number).normal(0, 0.1, (round(16000 * SECONDS), 1 + number % 2))
        noise[:, -1] = noise[:, 0]  # both channels agree
        soundfile.write(root / "wav" / f"u{number:02d}.wav", noise, 16000)
    (root / "wav" / "bad.wav").write_bytes(b"<html>log in</html>")
    return root


def plain():
    """Return the rows of a table without a fault."""
    return [
        dict(zip(HEADER, (f"u{n:02d}", f"wav/u{n:02d}.wav", "abcd"[n // 3], "", "fm"[n // 3 % 2], ("sad", "calm")[n % 2]),
                 strict=True))
        for n in range(12)
    ]  # fmt: skip


class Table:
    """A table in the making: rows, how it is written, and what must come of it."""

    def __init__(self):
        self.rows, self.names, self.sign, self.end, self.bom, self.quotes = (
            plain(),
            {},
            ",",
            "\n",
            "",
            csv.QUOTE_MINIMAL,
        )
        self.refused = []

    def text(self):
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        file = io.StringIO(newline="")
        writer = csv.writer(file, delimiter=self.sign, lineterminator=self.end, quoting=self.quotes)
        writer.writerow([self.names.get(name, name) for name in columns])
        writer.writerows([[row.get(name, "") for name in columns] for row in self.rows])
        return self.bom + file.getvalue()


def every(table, column, value):
    for number, row in enumerate(table.rows):
        row[column] = value(row, number) if callable(value) else value


def one(column, value, why, row=4):
    """Make a fault of a single cell, and what the message must say."""

    def fault(table):
        table.rows[row][column] = value(table.rows[row]) if callable(value) else value
        table.refused.append(why)

    return fault


def harmless(change):
    return lambda table: change(table)


#: What makes no difference.
HARMLESS = {
    "capitals": harmless(lambda t: t.names.update({name: name.upper() for name in HEADER})),
    "nkululeko": harmless(lambda t: (t.names.update(path="file"), [row.pop("utterance", None) for row in t.rows])),
    "no session": harmless(lambda t: [row.pop("session", None) for row in t.rows]),
    "semicolons": harmless(lambda t: setattr(t, "sign", ";")),
    "tabs": harmless(lambda t: setattr(t, "sign", "\t")),
    "Windows' line ends": harmless(lambda t: setattr(t, "end", "\r\n")),
    "Excel's mark": harmless(lambda t: setattr(t, "bom", "\ufeff")),
    "quotes": harmless(lambda t: setattr(t, "quotes", csv.QUOTE_ALL)),
    "Windows' folders": harmless(lambda t: every(t, "path", lambda row, n: row["path"].replace("/", "\\"))),
    "more columns": harmless(lambda t: every(t, "text", lambda row, n: f"a, b; c\t{n}")),
    "an index": harmless(lambda t: every(t, "", lambda row, n: str(n))),
    "whole files": harmless(lambda t: (every(t, "start", "0"), every(t, "end", "NaT"))),
    "no channel": harmless(lambda t: every(t, "channel", "")),
    "other rows": harmless(lambda t: t.rows.reverse()),
    "blanks around": harmless(lambda t: every(t, "emotion", lambda row, n: f" {row['emotion']}  ")),
}  # fmt: skip

#: What must be refused, with a line.
FAULTS = {
    "another case": one("speaker", lambda row: row["speaker"].upper(), "one speaker is written in 2 ways"),
    "a label in another form": one("emotion", lambda row: row["emotion"].strip().capitalize(), "one emotion is written in"),
    "no such file": one("path", "wav/u99.wav", "there is no audio file"),
    "a drive": one("path", r"D:\wav\u04.wav", "in WSL drive D: is /mnt/d"),
    "an empty label": one("emotion", "", "emotion is empty"),
    "an empty speaker": one("speaker", "", "speaker is empty"),
    "a strange gender": one("gender", "7", "gender is '7': it must be"),
    "no unit": one("end", "2s 3", "end is '2s 3': it must be seconds"),
    "behind the end": one("end", "20", "but the recording ends at"),
    "backwards": one("start", "0.2999", "ms, less than one 25 ms frame"),
    "no such channel": one("channel", "3", "channel is 3, but the recording has"),
    "two labels": lambda table: (table.rows.append({**table.rows[0], "utterance": "again", "emotion": "other"}),
                                 table.refused.append("stands in line \\d+ already")),
    "a strange length": one("duration", "long", "duration is 'long': it must be"),
}  # fmt: skip


def load(folder, text):
    (folder / "own.csv").write_bytes(text.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return corpora.load(f"table:{folder / 'own.csv'}")


QUICK = {"deadline": None, "derandomize": True, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=25, **QUICK)
@given(
    st.lists(st.sampled_from(sorted(HARMLESS)), unique=True),
    st.lists(st.sampled_from(sorted(FAULTS)), unique=True, max_size=4),
)
def test_any_permutation_is_right_or_refused_with_line_and_cure(folder, kinds, faults):
    table = Table()
    for name in kinds:
        HARMLESS[name](table)
    for name in faults:
        FAULTS[name](table)
    if not faults:
        found = load(folder, table.text())
        assert found["utterance"].tolist() == [row["utterance"] for row in plain()]
        assert found["speaker"].tolist() == [row["speaker"] for row in plain()]
        assert found["emotion"].tolist() == [row["emotion"] for row in plain()]
        assert found["duration"].tolist() == pytest.approx([SECONDS] * 12) and set(found["session"]) == {""}
        unusable.check(found)
        return
    with pytest.raises(CorpusError) as caught:
        load(folder, table.text())
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("own.csv cannot be used:")
    assert all(re.match(r"  line \d+: |  and \d+ more$|Mend these paths", line) for line in lines), lines
    assert any(re.search(why, line) for why in table.refused for line in lines), (faults, lines)


@settings(max_examples=8, **QUICK)
@given(st.lists(st.sampled_from(sorted(HARMLESS)), unique=True, max_size=4), st.integers(0, 11))
def test_a_bad_file_is_named_with_its_line_in_any_table(folder, kinds, which):
    table = Table()
    table.rows[which]["path"] = "wav/bad.wav"
    for name in kinds:
        HARMLESS[name](table)
    found = load(folder, table.text())
    line = 2 + (11 - which if "other rows" in kinds else which)
    with pytest.raises(AudioError, match=rf"bad\.wav: not audio, but a web page.* \(line {line}\)"):
        unusable.check(found)


cell = st.text(st.sampled_from("ab \t,;|\"'\n\r0.9$=+<>\\/:\u00eb\u0308\u6012\u0627\ufeff"), max_size=5)


@settings(max_examples=40, **QUICK)
@given(
    st.lists(st.lists(cell, min_size=1, max_size=7), min_size=1, max_size=4), st.sampled_from(",;\t| "), st.booleans()
)
def test_whatever_stands_in_a_table_there_is_no_traceback(folder, cells, sign, with_header):
    rows = [["path", "speaker", "emotion", *cells[0][3:]], *cells] if with_header else cells
    text = "\n".join(sign.join(row) for row in rows)
    try:
        load(folder, unicodedata.normalize("NFC", text))
    except CorpusError as error:
        assert "own.csv" in str(error)

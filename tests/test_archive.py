"""Large published studies: a compressed file a seed, checked by what is inside, whatever wrote it."""

import gzip
import hashlib
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_published import bytes_of, result, same, write

from sermodules import study
from sermodules.__main__ import main
from sermodules.errors import StoreError
from sermodules.paths import project_root
from sermodules.runs import store
from sermodules.study import archive, published

OF_SEEDS = [f"{name}-seed-{seed}.{kind}" for name, kind in (("runs", "jsonl"), ("predictions", "csv"), ("history", "csv"))
            for seed in (1, 2)]  # fmt: skip
LIMIT = 500
FIRST = "predictions-seed-1.csv.gz"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make a study of two seeds, its runs, and both forms of its publication."""
    made = tmp_path_factory.mktemp("made")
    source = write(made / "mine.yaml", seeds=[1, 2])
    plan = study.load(source)
    for config in plan.configs:
        store.save(result(config), made / "runs")
    published.publish(plan, source, made / "runs", made / "old")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "LIMIT", LIMIT)
        published.publish(plan, source, made / "runs", made / "new")
    return made


@pytest.fixture
def source(made):
    return made / "mine.yaml"


@pytest.fixture
def plan(source):
    return study.load(source)


@pytest.fixture
def out(made):
    return made / "runs"


@pytest.fixture
def old(made, tmp_path):
    """Return a copy of the study that is published whole."""
    return Path(shutil.copytree(made / "old", tmp_path / "old"))


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """Return a copy of the same study that is published as a large one; others are large as well now."""
    monkeypatch.setattr(archive, "LIMIT", LIMIT)
    return Path(shutil.copytree(made / "new", tmp_path / "mine"))


def inside(folder, name):
    return gzip.decompress((folder / name).read_bytes())


def sign(folder):
    """Write SHA256SUMS anew, for the files that are there, as one who wants an altered folder to pass would."""
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name in archive.FILES or path.suffix == ".gz":
            text = inside(folder, path.name) if path.suffix == ".gz" else path.read_bytes()
            lines.append(f"{hashlib.sha256(text).hexdigest()}  {path.name.removesuffix('.gz')}\n")
    (folder / "SHA256SUMS").write_text("".join(lines))


def only(plan, seed, folder):
    """Store the runs of one seed."""
    for config in plan.configs:
        if config.seed == seed:
            store.save(result(config), folder)
    return folder


# --- the form


def test_a_large_study_has_a_compressed_file_a_seed_and_gives_the_same_runs(folder, old, plan, source):
    assert sorted(bytes_of(folder)) == sorted(
        ["SHA256SUMS", "common.json", "study.yaml", *(f"{name}.gz" for name in OF_SEEDS)]
    )
    assert published.verify(folder) == [] and published.missing(folder) == [] and published.plan(folder) == plan
    same(published.load(folder), published.load(old))
    assert [*published._read(folder)[0]] == sorted(config.run_id for config in plan.configs)
    for whole in archive.OF_RUNS:
        lines = (old / whole).read_text(encoding="utf-8").splitlines()
        parts = [inside(folder, f"{archive.part(whole, seed)}.gz").decode().splitlines() for seed in (1, 2)]
        heads = 0 if whole == "runs.jsonl" else 1
        assert all(part[:heads] == lines[:heads] and "_seed" in part[heads] for part in parts)
        assert sorted(lines[heads:]) == sorted(line for part in parts for line in part[heads:])


def test_the_limit_is_that_of_the_whole_text_of_a_file(tmp_path, plan, source, out, old, monkeypatch):
    size = (old / "predictions.csv").stat().st_size
    assert len((old / "history.csv").read_bytes()) < size < len((old / "runs.jsonl").read_bytes())
    for limit, names in (
        (size, ["predictions.csv"]),
        (size - 1, ["predictions-seed-1.csv.gz", "predictions-seed-2.csv.gz"]),
    ):
        monkeypatch.setattr(archive, "LIMIT", limit)
        published.publish(plan, source, out, tmp_path / "mine")
        assert [name for name in archive.present(tmp_path / "mine") if "predictions" in name] == names
        assert (tmp_path / "mine" / "history.csv").read_bytes() == (old / "history.csv").read_bytes()
        assert published.verify(tmp_path / "mine") == []
        same(published.load(tmp_path / "mine"), published.load(old))


def test_a_compressed_file_says_nothing_of_when_where_and_how_it_was_called(folder):
    for name in OF_SEEDS:
        assert (folder / f"{name}.gz").read_bytes()[:10] == bytes.fromhex("1f8b 08 00 00000000 02 ff")


def test_the_digests_are_of_the_texts_and_need_no_program_of_ours(folder):
    subprocess.run(["gunzip", "--keep", *(f"{name}.gz" for name in OF_SEEDS)], cwd=folder, check=True)
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.count(": OK") == 8
    assert published.verify(folder) == []  # what lies beside it unpacked is no part of it


def test_no_published_file_of_the_project_is_too_large_for_a_repository():
    files = [path for path in (project_root() / "results").rglob("*") if path.is_file()]
    assert files and not [path for path in files if path.stat().st_size > 2**20]


# --- the same bytes, and merging


def test_the_order_in_which_seeds_are_published_changes_nothing(tmp_path, plan, source, folder):
    for order in ((1, 2), (2, 1)):
        target = tmp_path / f"results{order}"
        for seed in order:
            published.publish(plan, source, only(plan, seed, tmp_path / f"seed{seed}"), target)
        assert bytes_of(target) == bytes_of(folder)


def test_a_seed_that_is_published_keeps_its_bytes_whatever_zlib_wrote_them(tmp_path, plan, source, folder):
    target = tmp_path / "target"
    published.publish(plan, source, only(plan, 1, tmp_path / "seed1"), target)
    for name in OF_SEEDS[::2]:
        other = gzip.compress(inside(target, f"{name}.gz"), 1, mtime=1_700_000_000)
        assert other != (target / f"{name}.gz").read_bytes()
        (target / f"{name}.gz").write_bytes(other)
    before = bytes_of(target)
    assert published.verify(target) == [] and len(published.missing(target)) == 6
    assert len(published.publish(plan, source, only(plan, 2, tmp_path / "seed2"), target)) == 6
    after = bytes_of(target)
    assert all(after[name] == content for name, content in before.items() if name.endswith(".gz"))
    assert after["SHA256SUMS"] == bytes_of(folder)["SHA256SUMS"]
    assert published.verify(target) == [] and published.missing(target) == []


def test_a_replaced_run_changes_the_files_of_its_seed_only(tmp_path, plan, source, folder):
    before = bytes_of(folder)
    [config] = [c for c in plan.configs if (c.seed, c.fold, c.model) == (2, 1, "model1")]
    store.save(result(config, right=8), tmp_path / "other")
    with pytest.raises(StoreError, match="published with other predictions"):
        published.publish(plan, source, tmp_path / "other", folder)
    assert bytes_of(folder) == before
    assert published.publish(plan, source, tmp_path / "other", folder, replace=True) == [config.run_id]
    after = bytes_of(folder)
    assert {name for name in after if after[name] != before[name]} == {
        "SHA256SUMS", "runs-seed-2.jsonl.gz", "predictions-seed-2.csv.gz",
    }  # fmt: skip


def test_either_form_becomes_the_other_and_leaves_nothing_behind(tmp_path, plan, source, folder, old, monkeypatch):
    whole, divided = bytes_of(old), bytes_of(folder)
    for target in (old, folder):
        (target / "README.md").write_text("mine")
    assert published.verify(old) == []  # the old form of a study that is large
    assert published.publish(plan, source, tmp_path / "none", old) == []
    assert bytes_of(old) == divided | {"README.md": b"mine"}
    monkeypatch.undo()
    assert published.verify(folder) == []  # the new form of one that is not
    assert published.publish(plan, source, tmp_path / "none", folder) == []
    assert bytes_of(folder) == whole | {"README.md": b"mine"}


def test_a_published_folder_is_written_again_from_the_command_line(tmp_path, folder, old):
    divided = bytes_of(folder)
    arguments = ["study", "publish", str(old), "--out", str(tmp_path / "none")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0 and "0 runs added; 12 runs, 96 predictions" in done.output, done.output
    assert bytes_of(old) == divided
    done = CliRunner().invoke(main, [*arguments, "--to", str(tmp_path / "x")])
    assert done.exit_code == 2 and "leave out --to" in done.output and not (tmp_path / "x").exists()


# --- nothing altered passes

DAMAGE = {
    "missing": lambda content: None,
    "another seed's": lambda content: gzip.compress(gzip.decompress(content).replace(b"seed1", b"seed2")),
    "altered inside": lambda content: gzip.compress(gzip.decompress(content).replace(b",sad,angry,", b",sad,sad,", 1)),
    "truncated": lambda content: content[: len(content) // 2],
    "without its sum": lambda content: content[:-8],
    "with a wrong sum": lambda content: content[:-8] + bytes(4) + content[-4:],
    "a byte changed": lambda content: content[:60] + bytes([content[60] ^ 1]) + content[61:],
    "text": gzip.decompress,
    "zlib and not gzip": lambda content: b"\x78\xda" + content[10:-8],
    "empty": lambda content: b"",
    "followed by bytes": lambda content: content + b"\0",
    "followed by another": lambda content: content + gzip.compress(b"more"),
    "followed by nothing, compressed": lambda content: content + gzip.compress(b""),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_files_are_found(folder, plan, source, out, how):
    content = DAMAGE[how]((folder / FIRST).read_bytes())
    if content is None:
        (folder / FIRST).unlink()
    else:
        assert content != (folder / FIRST).read_bytes()
        (folder / FIRST).write_bytes(content)
    [problem] = published.verify(folder)
    assert problem.startswith(f"{folder}: {FIRST} is missing or not what was written")
    for read in (published.load, published.plan, published.missing):
        with pytest.raises(StoreError, match=FIRST):
            read(folder)
    before = bytes_of(folder)
    with pytest.raises(StoreError, match=FIRST):
        published.publish(plan, source, out, folder)
    assert bytes_of(folder) == before


def test_no_more_is_unpacked_than_a_file_may_hold(folder, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST", 2**20)
    (folder / FIRST).write_bytes(gzip.compress(bytes(2**26)))
    sign(folder)
    tracemalloc.start()
    [problem] = published.verify(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert FIRST in problem and peak < 2**24, peak
    with pytest.raises(StoreError, match=FIRST):
        published.load(folder)


def test_as_much_is_unpacked_as_a_file_may_hold(folder, monkeypatch):
    largest = max(len(inside(folder, f"{name}.gz")) for name in OF_SEEDS)
    monkeypatch.setattr(archive, "LARGEST", largest)
    assert published.verify(folder) == []
    monkeypatch.setattr(archive, "LARGEST", largest - 1)
    assert published.verify(folder)


def test_a_seed_too_large_to_be_read_is_not_written(tmp_path, plan, source, out, folder, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST", 2000)
    with pytest.raises(StoreError, match=r"runs-seed-1.jsonl would hold .* bytes, more than 2,000: divide the study"):
        published.publish(plan, source, out, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_files_that_are_not_listed_are_found(folder, old, plan, source, out):
    for name, content in (("predictions-seed-9.csv.gz", (folder / FIRST).read_bytes()), ("predictions.csv", b"")):
        (folder / name).write_bytes(content)
        assert published.verify(folder) == [f"{folder}: {name} is not listed in SHA256SUMS: remove it"]
        with pytest.raises(StoreError, match=name):
            published.publish(plan, source, out, folder)
        (folder / name).unlink()
    shutil.copy(folder / FIRST, old)
    assert published.verify(old) == [f"{old}: {FIRST} is not listed in SHA256SUMS: remove it"]
    (folder / "notes-seed-1.csv.gz").write_bytes(b"mine")
    (folder / "predictions-seed-01.csv.gz").write_bytes(b"mine")
    assert published.verify(folder) == []


def test_a_whole_file_and_those_of_its_seeds_do_not_go_together(folder, old):
    shutil.copy(old / "predictions.csv", folder)
    sign(folder)
    assert all(f"predictions-seed-{seed}.csv.gz is not listed" in published.verify(folder)[seed - 1] for seed in (1, 2))


@pytest.mark.parametrize("name", ["predictions-seed-9.csv", "runs-seed-1.csv", "study-seed-1.yaml", "../x-seed-1.csv"])
def test_sums_that_list_more_are_refused(folder, name):
    with (folder / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    [problem] = published.verify(folder)
    assert "strange files" in problem or f"{name}.gz is missing" in problem


def rewrite(folder, name, change):
    text = inside(folder, name)
    assert change(text) != text
    (folder / name).write_bytes(gzip.compress(change(text)))


def test_alterations_with_new_digests_are_found(folder):
    rewrite(folder, FIRST, lambda text: text.replace(b",sad,angry,", b",sad,sad,", 1))
    rewrite(folder, "history-seed-2.csv.gz", lambda text: text.replace(b"0.33333333", b"0.43333333", 1))
    rewrite(folder, "runs-seed-2.jsonl.gz", lambda text: text.replace(b'"wa":0.25', b'"wa":0.26', 1))
    sign(folder)
    problems = "\n".join(published.verify(folder))
    for words in ("predictions.csv does not hold", "uar is 0.25, but", "history.csv does not hold", "wa is 0.26"):
        assert words in problems


@pytest.mark.parametrize("kind", archive.OF_RUNS)
def test_runs_in_the_file_of_another_seed_are_found(folder, kind):
    """The last line of seed 1 also, or only, stands in the file of seed 2; or a whole file stands under a strange number."""
    one, two = (f"{archive.part(kind, seed)}.gz" for seed in (1, 2))
    good = bytes_of(folder)
    last = inside(folder, one).splitlines(keepends=True)[-1]
    for moved in (False, True):
        rewrite(folder, two, lambda text: text + last)
        if moved:
            rewrite(folder, one, lambda text: text.removesuffix(last))
        sign(folder)
        [problem] = published.verify(folder)
        assert "stands in a file of seed 2" in problem
        for name in (one, two):
            (folder / name).write_bytes(good[name])
    (folder / one).rename(folder / f"{archive.part(kind, 9)}.gz")
    sign(folder)
    assert "stands in a file of seed 9" in published.verify(folder)[0]


@pytest.mark.parametrize("kind", archive.OF_RUNS)
def test_a_seed_that_one_kind_of_file_lacks_is_found(folder, kind):
    (folder / f"{archive.part(kind, 1)}.gz").unlink()
    sign(folder)
    [problem] = published.verify(folder)
    assert "not what `sermodules study publish` writes" in problem

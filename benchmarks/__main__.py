"""The command ``python -m benchmarks``."""

import time

import click

from benchmarks import against, features, first, measure, memory, parts, training
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError
from sermodules.paths import project_root

#: What is measured if none is named. `against` and `first` need another commit, and the network.
BENCHMARKS = {"features": features, "memory": memory, "training": training, "parts": parts}


def _options(command):
    for option in (
        click.option("--quick", is_flag=True, help="Only show that everything works: its figures mean nothing."),
        click.option("--rounds", type=click.IntRange(1), help="How often every contender works; by default it depends."),
        click.option(
            "--threads", type=click.IntRange(1), default=RunConfig.threads, show_default=True, help="Of a training."
        ),
        click.option(
            "--to", "folder", type=click.Path(file_okay=False),
            help="Folder of the CSV files. Default: results/benchmarks; with --quick nothing is written.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@_options
@click.pass_context
def main(context, quick, rounds, threads, folder):
    """Measure how fast this machine trains, extracts features, and how much memory that takes.

    Without a command features, memory, training and parts are done, which takes about an hour on two cores. Nothing else should
    run on the machine. The file says how many cores other programs used meanwhile.
    """
    if not context.invoked_subcommand:
        for name in BENCHMARKS:
            _measure(name, folder, **_arguments(name, quick, rounds, threads))


def _arguments(name, quick, rounds, threads):
    """Return what a benchmark's `main` takes."""
    return {"quick": quick, "rounds": rounds} | ({} if name == "features" else {"threads": threads})


def _command(name, module):
    """Add the command of a benchmark that has no options of its own."""

    @main.command(name, help=module.__doc__.partition("\n")[0])
    @_options
    def command(quick, rounds, threads, folder):
        _measure(name, folder, **_arguments(name, quick, rounds, threads))


for _name, _module in BENCHMARKS.items():
    _command(_name, _module)


@main.command("against")
@click.argument("commit")
@click.option(
    "--environment", metavar="PYTHON", type=click.Path(exists=True, dir_okay=False),
    help="A Python that has what the other commit needs; else its own Makefile makes one, which takes minutes once.",
)  # fmt: skip
@_options
def _against(commit, environment, quick, rounds, threads, folder):
    """Train with the code of another COMMIT beside ours, at the presets teaching and smoke, alone and two side by side."""
    arguments = {"commit": commit, "environment": environment, "rounds": rounds, "threads": threads}
    _measure("against", folder, quick=quick, **arguments)


@main.command("first")
@click.argument("commit", required=False)
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help="How often each begins anew.")
@click.option(
    "--to", "folder", type=click.Path(file_okay=False), help="Folder of the CSV. Default: results/benchmarks."
)
def _first(commit, rounds, folder):
    """Do what `make study` does in a fresh clone, phase by phase, perhaps beside another COMMIT. It needs the network."""
    _measure("first", folder, commit=commit, rounds=rounds)


def _measure(name, folder, **arguments):
    """Measure, print the table, and write the file."""
    modules = BENCHMARKS | {"against": against, "first": first}
    click.echo(f"measuring {name} ...", err=True)
    try:
        told, began, meanwhile = measure.provenance(), time.perf_counter(), measure.Meanwhile()
        results = modules[name].main(**arguments)
        told["others_cores"] = meanwhile.cores()
        seconds = time.perf_counter() - began
        click.echo(f"\n{name}\n\n{measure.table(results)}\n")
        click.echo(f"{seconds:.0f} s; other programs used {told['others_cores']} cores meanwhile")
        if folder or not arguments.get("quick"):
            path = f"{folder or project_root() / 'results' / 'benchmarks'}/{name}.csv"
            measure.write(results.assign(**told), path)
            click.echo(f"written: {path}")
    except SermodulesError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{told['processor']}, {told['cores']} cores, accelerators: {told['accelerators']}; {told['versions']}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")

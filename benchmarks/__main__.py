"""The command ``python -m benchmarks``."""

import time

import click

from benchmarks import features, measure, memory, training
from sermodules.config import RunConfig
from sermodules.errors import SermodulesError
from sermodules.paths import project_root

BENCHMARKS = {"features": features, "memory": memory, "training": training}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[BENCHMARK]...", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--quick", is_flag=True, help="Only show that everything works: its figures mean nothing.")
@click.option("--rounds", type=click.IntRange(1), help="How often every contender works; by default it depends.")
@click.option("--threads", type=click.IntRange(1), default=RunConfig.threads, show_default=True, help="Of a training.")
@click.option(
    "--to", "folder", type=click.Path(file_okay=False),
    help="Folder of the CSV files. Default: results/benchmarks; with --quick nothing is written.",
)  # fmt: skip
def main(names, quick, rounds, threads, folder):
    """Measure how fast this machine trains, extracts features, and how much memory that takes.

    BENCHMARK is training, features or memory; without one all three are done, which takes about half an hour on two cores.
    Nothing else should run on the machine. The file says how many cores other programs used meanwhile.
    """
    try:
        told = measure.provenance()
        for name in names or BENCHMARKS:
            began, meanwhile = time.perf_counter(), measure.Meanwhile()
            options = {} if name == "features" else {"threads": threads}
            results = BENCHMARKS[name].main(quick=quick, rounds=rounds, **options)
            told["others_cores"] = meanwhile.cores()
            click.echo(f"\n{name}\n\n{measure.table(results)}\n")
            click.echo(
                f"{time.perf_counter() - began:.0f} s; other programs used {told['others_cores']} cores meanwhile"
            )
            if folder or not quick:
                path = f"{folder or project_root() / 'results' / 'benchmarks'}/{name}.csv"
                measure.write(results.assign(**told), path)
                click.echo(f"written: {path}")
    except SermodulesError as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"\n{told['processor']}, {told['cores']} cores, accelerators: {told['accelerators']}; {told['versions']}"
    )


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")

//! `bench_queue [--json FILE] [--svg FOLDER] [--quick]`: the queues of ra beside other ways to do the same, in one process
//! run. Thin: all of it is in `ra_benches::queue`.
//!
//! Results are tables on stdout, or JSON into FILE beside them. What every contestant delivers is checked first.

use std::time::Instant;

use anyhow::Result;
use ra_benches::queue::{COUNTED_WORD, Lengths, QueueFigures, run_counted};
use ra_benches::{BenchArgs, Load, Machine, Pictures, Report};

fn main() -> Result<()> {
    if std::env::args_os().nth(1).is_some_and(|word| word == COUNTED_WORD) {
        return run_counted();
    }
    let args = BenchArgs::with_pictures_from_env_or_exit("bench_queue", Pictures::Svg);
    let pictures = args.pictures_folder()?;
    let load = Load::at_start();
    let began = Instant::now();
    let tell = |what: &str| eprintln!("{:6.1} s: {what}", began.elapsed().as_secs_f64());
    let figures = QueueFigures::measure(if args.quick { &Lengths::QUICK } else { &Lengths::FULL }, &tell)?;

    println!("queue; {}\n{figures}", Machine::describe());
    if let Some(folder) = pictures {
        let n_drawn = figures.draw(&folder)?;
        eprintln!("{n_drawn} pictures in {}", folder.display());
    }
    Report::new("queue", args.quick, load, figures).write(args.json.as_deref())
}

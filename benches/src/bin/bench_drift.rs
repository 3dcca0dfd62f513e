//! `bench_drift`: how far sources on clocks of their own stay from each other, this engine beside other ways to do it, on
//! the very same deliveries; what that does to sound, what it costs, and the same on real threads. Thin: all of it is in
//! `ra_benches::drift`.

use std::time::Instant;

use anyhow::Result;
use ra_benches::drift::{
    Album, DriftArgs, DriftFigures, Lengths, measure_cost, measure_quality, run_eight, run_real, run_scenes,
};
use ra_benches::{Load, Machine, Report};
use ra_engine::Quality;

/// Virtual seconds for each figure of the cost.
const COST_S: f64 = 60.0;
const COST_QUICK_S: f64 = 6.0;

fn main() -> Result<()> {
    let args = DriftArgs::from_env_or_exit();
    let quick = args.bench.quick;
    let lengths = if quick { Lengths::QUICK } else { Lengths::FULL };
    let pictures = args.bench.pictures_folder()?;
    let mut album = Album::new(pictures.is_some());
    let load = Load::at_start();
    let began = Instant::now();
    let tell = |what: &str| eprintln!("{:6.1} s: {what}", began.elapsed().as_secs_f64());

    // Nobody's time is taken here, so both cores may work.
    tell("one source, everybody; and eight sources beside it");
    let (scenes, eight) = std::thread::scope(|scope| {
        let eight = scope.spawn(|| run_eight(lengths.eight_s));
        let scenes = run_scenes(&lengths, &mut album);
        (scenes, eight.join())
    });
    let (scenes, eight) = (scenes?, eight.map_err(|_| anyhow::anyhow!("eight sources panicked"))??);
    let mut quality = Vec::new();
    for name in [Quality::Fast, Quality::Balanced, Quality::Best] {
        tell(&format!("sound at {name}"));
        quality.push(measure_quality(name, lengths.quality_from_s)?);
    }
    tell("cost");
    let cost = measure_cost(if quick { COST_QUICK_S } else { COST_S })?;
    let real = if args.real_s > 0.0 {
        tell(&format!("real threads, {} s", args.real_s));
        Some(run_real(args.real_s)?)
    } else {
        None
    };
    tell("done");

    let figures = DriftFigures::new(lengths, scenes, eight, quality, cost, real);
    println!("drift; {}", Machine::describe());
    println!("* about the mean; ppm: rate read less true rate, rms\n\n{figures}");
    if let Some(folder) = pictures {
        let n_drawn = album.draw(&folder)?;
        eprintln!("{n_drawn} pictures in {}", folder.display());
    }
    Report::new("drift", quick, load, figures).write(args.bench.json.as_deref())
}

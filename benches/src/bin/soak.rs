//! `soak [--for SECONDS] [--virtual SECONDS] [--seed N]`: long runs with criteria; exit code 1 where one does not hold.

use std::process::ExitCode;
use std::time::Duration;

use ra_benches::soak::{soak_in_real_time, soak_in_virtual_time};

const USAGE: &str = "usage: soak [--for SECONDS] [--virtual SECONDS] [--seed N]";

fn main() -> ExitCode {
    let (mut real, mut simulated, mut seed) = (None, None, 1);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next();
        let seconds = value.as_ref().and_then(|text| text.parse().ok()).filter(|s: &f64| s.is_finite() && *s > 0.0);
        match (arg.as_str(), seconds) {
            ("--for", Some(s)) => real = Some(Duration::from_secs_f64(s)),
            ("--virtual", Some(s)) => simulated = Some(Duration::from_secs_f64(s)),
            ("--seed", Some(s)) => seed = s as u64,
            _ => {
                eprintln!("error: {arg} {}\n{USAGE}", value.unwrap_or_default());
                return ExitCode::from(2);
            }
        }
    }
    if real.is_none() && simulated.is_none() {
        eprintln!("error: nothing to do\n{USAGE}");
        return ExitCode::from(2);
    }
    let runs = [simulated.map(|duration| soak_in_virtual_time(duration, seed)), real.map(soak_in_real_time)];
    let mut held = true;
    for run in runs.into_iter().flatten() {
        match run {
            Ok(criteria) => {
                print!("{criteria}");
                held &= criteria.hold();
            }
            Err(cause) => {
                eprintln!("error: {cause:#}");
                held = false;
            }
        }
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

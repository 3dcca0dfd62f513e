//! What valgrind counts: this program again, doing each counted thing so many times and then twice as many, with a mark
//! before, between and behind. Times nothing.
//!
//! Callgrind writes the instructions since the last mark into a file of its own at each mark. What the second part has
//! more than the first are so many repetitions and nothing else.

use std::hint::black_box;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::contestants::{Contestant, N_BLOCKS, N_SAMPLES};
use super::publish::{READERS, samples, warm_up};
use super::spsc::{self, Scene, SpscReader, SpscWriter, Way};

/// The first argument that makes the bench this program; only the bench itself says it, under valgrind.
pub const COUNTED_WORD: &str = "counted";

/// Repetitions in the first part; the second has twice as many, and both together are fewer blocks than a queue holds.
pub(super) const N_REPEATS: u64 = 64;
const _: () = assert!(3 * N_REPEATS < N_BLOCKS as u64);

/// A thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// One publish; the readers stand by.
    Publish(Contestant, usize),
    /// One read of a block that is there.
    Read(Contestant),
    /// The bare copy of a block.
    Memcpy,
    /// One delivery, written and read.
    Pass(Way),
}

impl Counted {
    /// All of them, in the order in which they are counted.
    pub(super) fn all() -> Vec<Self> {
        let publish = READERS.into_iter().flat_map(|n| Contestant::ALL.map(|contestant| Self::Publish(contestant, n)));
        let read = Contestant::ALL.into_iter().map(Self::Read);
        let pass = Way::ALL.into_iter().map(Self::Pass);
        publish.chain([Self::Memcpy]).chain(read).chain(pass).collect()
    }

    fn run(self) -> Result<()> {
        match self {
            Self::Publish(contestant, n_readers) => {
                let mut ends = contestant.make(n_readers)?;
                let mut seq = warm_up(&mut ends);
                let samples = samples();
                between_marks(|| {
                    ends.0.publish(seq, black_box(&samples));
                    seq += 1;
                });
            }
            Self::Read(contestant) => {
                let mut ends = contestant.make(1)?;
                let first = warm_up(&mut ends);
                let samples = samples();
                (first..first + 3 * N_REPEATS).for_each(|seq| ends.0.publish(seq, &samples));
                let mut out = samples.clone();
                let mut n_missed = 0_u64;
                between_marks(|| n_missed += u64::from(!ends.1[0].poll(black_box(&mut out))));
                ensure!(n_missed == 0, "{}: {n_missed} reads found nothing", contestant.name());
            }
            Self::Memcpy => {
                let (from, mut to) = (samples(), samples());
                between_marks(|| black_box(&mut to).copy_from_slice(black_box(&from)));
            }
            Self::Pass(way) => way.run(spsc::N_FRAMES, &CountedPass)?,
        }
        Ok(())
    }
}

/// A delivery is written and read, in turn.
struct CountedPass;

impl Scene for CountedPass {
    type Outcome = ();

    fn run(&self, mut writer: impl SpscWriter, mut reader: impl SpscReader) -> Result<()> {
        let samples = samples();
        let mut out = samples.clone();
        let mut pass = || {
            writer.write(black_box(&samples));
            reader.read(black_box(&mut out));
        };
        // Past the end of the memory once, and not again: everybody's wrap stays outside.
        const N_LAP: usize = spsc::CAPACITY_FRAMES / spsc::N_FRAMES;
        const _: () =
            assert!(N_SAMPLES == spsc::N_FRAMES * spsc::N_CHANNELS && (3 * N_REPEATS as usize).is_multiple_of(N_LAP));
        (0..2 * N_LAP).for_each(|_| pass());
        between_marks(pass);
        Ok(())
    }
}

fn between_marks(mut op: impl FnMut()) {
    callgrind_mark();
    (0..N_REPEATS).for_each(|_| op());
    callgrind_mark();
    (0..2 * N_REPEATS).for_each(|_| op());
    callgrind_mark();
}

/// Where callgrind writes down what it has counted: it knows this function by its name.
#[inline(never)]
fn callgrind_mark() {
    black_box(());
}

/// The whole program, under valgrind.
///
/// # Errors
/// A queue can't be made, or doesn't deliver.
pub fn run_counted() -> Result<()> {
    Counted::all().into_iter().try_for_each(Counted::run)
}

/// Runs this very program under callgrind, with its files in `folder`; instructions of each thing in the order of
/// [`Counted::all`]. `None` where there is no valgrind.
pub(super) fn count_all(folder: &Path) -> Result<Option<Vec<f64>>> {
    let program = std::env::current_exe().context("this program's own file")?;
    let out = folder.join("callgrind.out");
    let mut command = std::process::Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind", "--dump-before=*callgrind_mark*", "--compress-strings=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .arg(COUNTED_WORD);
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        output => output.context("valgrind can't be run")?,
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind ended with {}: {}", output.status, stderr.trim());
    let part = |n: usize| -> Result<u64> {
        let file = folder.join(format!("callgrind.out.{n}"));
        let text = std::fs::read_to_string(&file).with_context(|| format!("callgrind left no {}", file.display()))?;
        instructions_in(&text).with_context(|| format!("in {}", file.display()))
    };
    let count = |n: usize| -> Result<f64> {
        // Three marks each, the first of which ends what was set up; callgrind counts its files from 1.
        let (once, twice) = (part(3 * n + 2)?, part(3 * n + 3)?);
        ensure!(twice > once, "twice the work in {twice} instructions, once in {once}");
        Ok((twice - once) as f64 / N_REPEATS as f64)
    };
    Ok(Some((0..Counted::all().len()).map(count).collect::<Result<_>>()?))
}

/// The sum of a profile in callgrind's own format ("Callgrind Format Specification", valgrind's manual): the first number
/// behind `summary:` or `totals:`.
fn instructions_in(profile: &str) -> Result<u64> {
    let sum = profile.lines().find_map(|line| line.strip_prefix("summary:").or_else(|| line.strip_prefix("totals:")));
    let Some(number) = sum.and_then(|sum| sum.split_whitespace().next()) else { bail!("a profile without a sum") };
    number.parse().with_context(|| format!("a sum of {number:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_profile_is_found() {
        let profile = "version: 1\nevents: Ir\nfn=main\n16 400\nsummary: 820 3\n\n";
        assert_eq!(instructions_in(profile).unwrap(), 820);
        assert_eq!(instructions_in("events: Ir\n\ntotals: 7\n").unwrap(), 7);
        assert_eq!(instructions_in("events: Ir\n").unwrap_err().to_string(), "a profile without a sum");
        assert!(instructions_in("summary: many\n").is_err());
    }

    #[test]
    fn everything_that_is_counted_runs_by_itself() {
        run_counted().unwrap();
    }
}

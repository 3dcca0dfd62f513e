//! What the torture programs have in common: their numbers, and how their words, what they found and what went wrong become
//! an exit code. Knows no torture.

use std::process::ExitCode;

use anyhow::Result;

/// Runs what was asked for and ends as it says: 0 where everything holds and where help was asked for (`None`, printed on stdout), 1 where
/// something does not hold or it could not be run, 2 where the words make no sense.
pub fn exit_code<A>(
    asked: Result<Option<A>, String>,
    usage: &str,
    run: impl FnOnce(A) -> Result<ExitCode>,
) -> ExitCode {
    match asked {
        Ok(Some(asked)) => ended(run(asked)),
        Ok(None) => {
            println!("{usage}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}\n{usage}");
            ExitCode::from(2)
        }
    }
}

/// The number that stands behind `arg`.
///
/// # Errors
/// A sentence where it is none.
pub fn whole_number(arg: &str, value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| format!("{arg} is {value:?}, expected a whole number"))
}

/// The number that stands behind `arg`, from 1 to `most`.
///
/// # Errors
/// A sentence where it is none of those.
pub fn count(arg: &str, value: &str, most: u64) -> Result<u64, String> {
    let number = value.parse().ok().filter(|n: &u64| (1..=most).contains(n));
    number.ok_or_else(|| format!("{arg} is {value:?}, expected 1 to {most}"))
}

/// As the code of a process: whether everything holds.
pub fn verdict(holds: bool) -> ExitCode {
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// As the code of a process: how it ended; an error is told on stderr.
pub fn ended(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|cause| {
        eprintln!("error: {cause:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_are_told_with_their_option() {
        assert_eq!((whole_number("--seed", "0"), count("--kills", "9", 9)), (Ok(0), Ok(9)));
        assert_eq!(whole_number("--seed", "x").unwrap_err(), "--seed is \"x\", expected a whole number");
        for value in ["0", "10", "-1", "x"] {
            assert_eq!(count("--kills", value, 9).unwrap_err(), format!("--kills is {value:?}, expected 1 to 9"));
        }
    }

    #[test]
    fn what_was_found_and_what_went_wrong_are_told_apart() {
        // An exit code tells what it is in its debug form only.
        let code = |asked: Result<Option<bool>, String>| {
            format!(
                "{:?}",
                exit_code(asked, "usage: x", |holds| if holds { Ok(verdict(true)) } else { anyhow::bail!("no") })
            )
        };
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(Ok(Some(true))), expected(0));
        assert_eq!(code(Ok(Some(false))), expected(1));
        assert_eq!(code(Ok(None)), expected(0));
        assert_eq!(code(Err("unknown".to_owned())), expected(2));
        assert_eq!([format!("{:?}", verdict(true)), format!("{:?}", verdict(false))], [expected(0), expected(1)]);
    }
}

//! What the torture programs have in common: how their words, what they found and what went wrong become an exit code. Knows
//! no torture.

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

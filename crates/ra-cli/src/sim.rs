//! `ra sim`: runs a scenario in virtual time, and says where every source was against where it should have been.
//! Everything that can be wrong is found before anything is written; what is written is whole or not there.

mod outputs;
mod progress;
mod table;

use std::ops::ControlFlow;

use ra_engine::sinks::{Recorder, RecorderConfig};
use ra_sim::{Outcome, Scenario, Simulation, SimulationError};

use crate::Failure;
use crate::args::SimArgs;
use crate::assemble::escape_template;
use crate::stdout::print_result;
use crate::stop_signal::StopSignal;
use outputs::{JsonOutput, WavOutput};
use progress::Progress;

/// Runs a scenario.
pub(crate) fn sim(args: &SimArgs) -> Result<(), Failure> {
    let scenario = Scenario::load(&args.scenario).map_err(Failure::usage)?;
    let json = args.json.as_deref().map(|path| JsonOutput::plan(path, &args.scenario)).transpose()?;
    let wav = args.wav.as_deref().map(|path| WavOutput::plan(path, &args.scenario)).transpose()?;
    outputs::refuse_the_same(args)?;
    let stop = StopSignal::listen()?;
    let mut simulation = Simulation::new(&scenario).map_err(Failure::usage)?;
    if let Some(wav) = &wav {
        let recorder = Recorder::new(RecorderConfig::offline(escape_template(wav.writing_to())));
        let recorder = recorder.map_err(Failure::running)?;
        simulation = simulation.samples_to(Box::new(recorder)).map_err(|error| match error {
            SimulationError::Value { .. } => Failure::usage(error),
            other => Failure::running(other),
        })?;
    }

    let mut progress = Progress::new(scenario.sample_rate);
    let outcome = simulation.run(&mut |at| {
        progress.show(at);
        if stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.clear();
    // Whatever was begun is dropped, and with it removed, on the way out of an error.
    let Outcome { report, .. } = outcome.map_err(Failure::running)?;

    let document = serde_json::to_string_pretty(&report).map_err(|e| Failure::Running(format!("the report: {e}")))?;
    let is_on_stdout = json.as_ref().is_some_and(JsonOutput::is_stdout);
    if let Some(json) = json {
        json.write(&(document + "\n"))?;
    }
    let wav_line = wav.map(|wav| wav.complete(&scenario)).transpose()?;
    if is_on_stdout {
        return Ok(()); // one JSON document and nothing else
    }
    print_result(&(table::of_report(&report) + &wav_line.unwrap_or_default()))
}

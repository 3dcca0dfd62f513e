//! An input that ends when somebody presses Ctrl-C, so that a mix is closed properly instead of torn off.

use ra_engine::core::{PulledSource, Source, SourceError, StreamEvent, StreamSpec};
use ra_engine::sources::FileSource;

use crate::stop_signal::StopSignal;

/// A file that can be stopped.
pub(super) struct Stoppable {
    file: FileSource,
    stop: StopSignal,
}

impl Stoppable {
    /// Reads `file` until `stop` is asked for.
    pub(super) fn new(file: FileSource, stop: StopSignal) -> Self {
        Self { file, stop }
    }
}

impl Source for Stoppable {
    fn spec(&self) -> StreamSpec {
        self.file.spec()
    }

    fn describe(&self) -> String {
        self.file.describe()
    }
}

impl PulledSource for Stoppable {
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        if self.stop.is_asked() {
            // Not an error of the file: `mix` asks the signal itself what kind of end this was.
            return Ok(StreamEvent::EndOfStream);
        }
        self.file.read(out)
    }

    fn remaining_frames(&self) -> Option<u64> {
        self.file.remaining_frames()
    }
}

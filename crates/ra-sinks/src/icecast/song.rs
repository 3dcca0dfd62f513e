//! Tells the server what is playing, by URL, for streams that have no place for tags: on a thread of its own, because the
//! stream must not wait for it. Says a song again on every new connection.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use super::answer::AnswerReader;
use super::counts::{Count, Counters};
use super::failure::Failure;
use super::handshake::{Caller, Deadline, next_answer, send_all, words_of_refusal};
use super::request::song_request;

/// Between two tries, in nanoseconds.
const RETRY_NS: u64 = 5_000_000_000;
/// Tries for one song on one connection.
const MOST_TRIES: u32 = 3;

/// Keeps the server's idea of the song up to date.
pub(super) struct SongTeller {
    sink_name: String,
    counters: Arc<Counters>,
    /// What was said on this connection, or is being said.
    told: Option<String>,
    job: Option<Receiver<Result<(), Failure>>>,
    tries: u32,
    next_ns: u64,
}

impl SongTeller {
    pub(super) fn new(sink_name: &str, counters: Arc<Counters>) -> Self {
        Self { sink_name: sink_name.to_owned(), counters, told: None, job: None, tries: 0, next_ns: 0 }
    }

    /// A new connection knows no song.
    pub(super) fn forget(&mut self) {
        self.told = None;
        self.tries = 0;
        self.next_ns = 0;
    }

    /// Says `song`, unless it was said; one thing at a time.
    pub(super) fn tell(&mut self, song: Option<String>, caller: &Caller, now_ns: u64) {
        if !self.has_finished(now_ns) {
            return;
        }
        let Some(song) = song else { return };
        if self.told.as_ref() != Some(&song) {
            self.tries = 0;
            self.told = Some(song.clone());
        } else if self.tries == 0 || now_ns < self.next_ns {
            return;
        }
        self.tries += 1;
        let (sender, receiver) = channel();
        let mut caller = caller.sibling(&self.sink_name);
        let work = move || drop(sender.send(update(&mut caller, &song)));
        match std::thread::Builder::new().name(format!("ra-song-{}", self.sink_name)).spawn(work) {
            Ok(_) => self.job = Some(receiver),
            Err(cause) => self.failed(&cause.to_string(), now_ns),
        }
    }

    fn has_finished(&mut self, now_ns: u64) -> bool {
        let Some(job) = &self.job else { return true };
        match job.try_recv() {
            Ok(Ok(())) => {
                self.tries = 0;
                self.counters.add(Count::MetadataUpdates, 1);
            }
            Ok(Err(cause)) => self.failed(&cause.to_string(), now_ns),
            Err(TryRecvError::Disconnected) => self.failed("the update has panicked", now_ns),
            Err(TryRecvError::Empty) => return false,
        }
        self.job = None;
        true
    }

    fn failed(&mut self, cause: &str, now_ns: u64) {
        self.counters.add(Count::MetadataFailures, 1);
        if self.tries >= MOST_TRIES {
            log::warn!("icecast {}: the title could not be set, and stays as it was: {cause}", self.sink_name);
            self.tries = 0;
        } else {
            self.next_ns = now_ns + RETRY_NS;
        }
    }
}

/// One update. Returns by the deadline for attempts.
fn update(caller: &mut Caller, song: &str) -> Result<(), Failure> {
    let deadline = Deadline::in_ms(caller.config.connect_timeout_ms);
    let is_cancelled = || false;
    let mut transport = caller.connect(deadline, &is_cancelled)?;
    send_all(&mut transport, &song_request(&caller.config, song), deadline, &is_cancelled)?;
    let mut answers = AnswerReader::new(Arc::clone(&caller.secrets));
    let answer = next_answer(&mut transport, &mut answers, deadline, &is_cancelled)?;
    let is_taken = answer.status == 200;
    let said = words_of_refusal(&mut transport, &mut answers, &answer);
    // Icecast may say yes to the request and no to the update in one answer.
    if is_taken && !answers.says("<return>0</return>") && !answers.says("not accept") {
        return Ok(());
    }
    match answer.status {
        401 => Err(Failure::Unauthorized { said }),
        status => Err(Failure::Refused { status, said }),
    }
}

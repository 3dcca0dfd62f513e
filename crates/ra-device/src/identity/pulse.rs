//! Watches streams of this process on a PulseAudio server (or PipeWire's). A thread for each stream, `ra-identity`, that
//! waits for the server's word; it asks besides, for words that were missed.

use std::{
    collections::HashSet,
    ffi::CString,
    process,
    sync::{Arc, Mutex, TryLockError},
    thread,
    time::{Duration, Instant},
};

use cpal::ErrorKind;
use pulseaudio::protocol::{
    ChannelMap, ClientInfoList, Command, GetSinkInfo, GetSourceInfo, Prop, SinkInfo, SinkInputInfo, SinkInputInfoList,
    SourceInfo, SourceOutputInfo, SourceOutputInfoList, SubscriptionMask,
};

use super::{
    OnMove, channel_map,
    connection::{Closer, Connection, NoAnswer},
};
use ra_core::{Clock, SystemClock};

use crate::{DeviceError, Direction, status::Status};

/// cpal's name of the host.
const HOST: &str = "pulseaudio";
/// How a device's id begins on this host.
const PREFIX: &str = "pulseaudio:";
/// What is tried, for errors.
const REACH: &str = "reach the sound server";
const OPEN: &str = "open the device";
/// For an answer of a server that works: it takes a tenth of a millisecond.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
/// How often the server is asked without having said anything.
const LOOK: Duration = Duration::from_millis(200);
/// The server's word that it has moved a stream may come so much later than sound of where it is now.
const WORD: Duration = Duration::from_millis(5);
/// For others that open streams at the same time.
const TURN_LIMIT: Duration = Duration::from_secs(2);

/// Held while a stream is opened: which of the server's streams is new would else not be known.
static OPENING: Mutex<()> = Mutex::new(());

/// A stream that is watched. Dropping it ends its thread, at once.
pub(crate) struct Watch {
    closer: Closer,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.closer.close();
        if let Some(thread) = self.thread.take() {
            // It waits for nothing but the connection, which is closed. A panic there was reported there.
            drop(thread.join());
        }
    }
}

/// See [`super::check_host`].
pub(super) fn check_host(host: &str) -> Result<(), DeviceError> {
    if host != HOST {
        return Ok(());
    }
    judge(Connection::open(ANSWER_LIMIT).map(drop), REACH)
}

/// See [`super::can_check`].
pub(super) fn can_check(device: &str) -> bool {
    device.starts_with(PREFIX)
}

/// See [`super::check_device`].
pub(super) fn check_device(device: &str, direction: Direction) -> Result<(), DeviceError> {
    let Some(name) = device.strip_prefix(PREFIX) else { return Ok(()) };
    let connection = Connection::open(ANSWER_LIMIT).map_err(|cause| (cause, REACH));
    let known = connection.and_then(|mut c| map_of(&mut c, name, direction).map_err(|cause| (cause, OPEN)));
    known.map(drop).or_else(|(cause, operation)| judge(Err(cause), operation))
}

/// See [`super::check_channels`].
pub(super) fn check_channels(device: &str, direction: Direction) -> Result<(), DeviceError> {
    let Some(name) = device.strip_prefix(PREFIX) else { return Ok(()) };
    match Connection::open(ANSWER_LIMIT).and_then(|mut connection| map_of(&mut connection, name, direction)) {
        Ok(map) => channel_map::check(name, direction, &map),
        Err(cause) => judge(Err(cause), OPEN),
    }
}

/// See [`super::default_of`].
pub(super) fn default_of(host: &str, direction: Direction) -> Option<&'static str> {
    (host == HOST).then_some(match direction {
        Direction::Input => "pulseaudio:@DEFAULT_SOURCE@",
        Direction::Output => "pulseaudio:@DEFAULT_SINK@",
    })
}

/// Where the channels of a device are.
fn map_of(connection: &mut Connection, name: &str, direction: Direction) -> Result<ChannelMap, NoAnswer> {
    let name = CString::new(name).ok();
    match direction {
        Direction::Input => {
            let which = GetSourceInfo { index: None, name };
            connection.ask::<SourceInfo>(&Command::GetSourceInfo(which), ANSWER_LIMIT).map(|info| info.channel_map)
        }
        Direction::Output => {
            let which = GetSinkInfo { index: None, name };
            connection.ask::<SinkInfo>(&Command::GetSinkInfo(which), ANSWER_LIMIT).map(|info| info.channel_map)
        }
    }
}

fn judge(answer: Result<(), NoAnswer>, operation: &'static str) -> Result<(), DeviceError> {
    match answer {
        Err(NoAnswer::InTime) => Err(DeviceError::Unanswered { operation, limit_ms: ANSWER_LIMIT.as_millis() as u64 }),
        Err(NoAnswer::Gone(message)) => Err(DeviceError::Away { operation, message }),
        Err(NoAnswer::NoSuchThing) => {
            Err(DeviceError::Away { operation, message: "the sound server does not know it (now)".to_owned() })
        }
        // cpal may understand what this does not.
        Ok(()) | Err(NoAnswer::Odd(_)) => Ok(()),
    }
}

/// See [`super::watched`].
pub(super) fn watched<T>(
    id: &str,
    direction: Direction,
    on_move: OnMove,
    status: &Arc<Status>,
    build: impl FnOnce() -> Result<T, DeviceError>,
) -> Result<(T, Option<Watch>), DeviceError> {
    let Some(device) = id.strip_prefix(PREFIX) else { return Ok((build()?, None)) };
    let turn = take_turn();
    let before = Connection::open(ANSWER_LIMIT).and_then(|mut connection| {
        let streams = Streams { direction, process: process::id().to_string() };
        let known = streams.list(&mut connection)?;
        Ok((connection, streams, known))
    });
    let built = build()?;
    let found = before.and_then(|(mut connection, streams, known)| {
        let index = streams.find_new(&mut connection, &known)?;
        connection.subscribe(streams.mask(), ANSWER_LIMIT)?;
        Ok((connection, index))
    });
    // Others may open theirs.
    let is_alone = turn.is_some();
    drop(turn);
    let watch = found.and_then(|(connection, index)| {
        if !is_alone {
            return Err(NoAnswer::Odd("others were opening streams all the time".to_owned()));
        }
        let watcher = Watcher { connection, direction, index, device: device.to_owned(), on_move };
        watcher.spawn(Arc::clone(status))
    });
    match watch {
        Ok(watch) => Ok((built, Some(watch))),
        // The stream went with the server: whoever waited for its sound would wait for seconds.
        Err(NoAnswer::Gone(message)) => Err(DeviceError::Away { operation: OPEN, message }),
        Err(cause) => {
            log::info!("{id}: can't watch on which device the stream is: {cause}");
            Ok((built, None))
        }
    }
}

/// `None` where it takes too long: somebody's server hangs.
fn take_turn() -> Option<std::sync::MutexGuard<'static, ()>> {
    let deadline = Instant::now() + TURN_LIMIT;
    loop {
        match OPENING.try_lock() {
            Ok(turn) => return Some(turn),
            // Nothing is behind it that a panic could have spoilt.
            Err(TryLockError::Poisoned(turn)) => return Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
            Err(TryLockError::WouldBlock) => return None,
        }
    }
}

/// This process's streams in one direction.
struct Streams {
    direction: Direction,
    process: String,
}

impl Streams {
    fn mask(&self) -> SubscriptionMask {
        match self.direction {
            Direction::Input => SubscriptionMask::SOURCE_OUTPUT,
            Direction::Output => SubscriptionMask::SINK_INPUT,
        }
    }

    /// Every stream of the direction, with the client that it belongs to.
    fn all(&self, connection: &mut Connection) -> Result<Vec<(u32, Option<u32>)>, NoAnswer> {
        Ok(match self.direction {
            Direction::Input => {
                let list: SourceOutputInfoList = connection.ask(&Command::GetSourceOutputInfoList, ANSWER_LIMIT)?;
                list.iter().map(|stream| (stream.index, stream.client_index)).collect()
            }
            Direction::Output => {
                let list: SinkInputInfoList = connection.ask(&Command::GetSinkInputInfoList, ANSWER_LIMIT)?;
                list.iter().map(|stream| (stream.index, stream.client_index)).collect()
            }
        })
    }

    fn list(&self, connection: &mut Connection) -> Result<HashSet<u32>, NoAnswer> {
        Ok(self.all(connection)?.into_iter().map(|(index, _)| index).collect())
    }

    /// The one stream of this process that was not there before.
    fn find_new(&self, connection: &mut Connection, known: &HashSet<u32>) -> Result<u32, NoAnswer> {
        let clients: ClientInfoList = connection.ask(&Command::GetClientInfoList, ANSWER_LIMIT)?;
        let is_ours = |client: Option<u32>| {
            let props = clients.iter().find(|info| Some(info.index) == client).map(|info| &info.props);
            let process = props.and_then(|props| props.get(Prop::ApplicationProcessId));
            process.is_some_and(|bytes| bytes.strip_suffix(b"\0").unwrap_or(bytes) == self.process.as_bytes())
        };
        let new: Vec<_> = self
            .all(connection)?
            .into_iter()
            .filter(|&(index, client)| !known.contains(&index) && is_ours(client))
            .map(|(index, _)| index)
            .collect();
        match new[..] {
            [index] => Ok(index),
            _ => Err(NoAnswer::Odd(format!("{} new streams of this process, expected 1", new.len()))),
        }
    }
}

/// What a stream's thread knows.
struct Watcher {
    connection: Connection,
    direction: Direction,
    index: u32,
    /// The name of the device that it is to be on.
    device: String,
    on_move: OnMove,
}

impl Watcher {
    fn spawn(mut self, status: Arc<Status>) -> Result<Watch, NoAnswer> {
        let closer = self.connection.closer()?;
        // The status counts the callbacks that hold it, so the thread must let go of it as soon as they are closed.
        let status = Arc::downgrade(&status);
        let thread = thread::Builder::new()
            .name("ra-identity".to_owned())
            .spawn(move || {
                let mut is_first = true;
                // When it was last known to be where it should be.
                let mut sure_ns = 0;
                loop {
                    let news = if std::mem::take(&mut is_first) {
                        Ok(false)
                    } else {
                        self.connection.wait_for_news(self.index, LOOK)
                    };
                    let now_ns = SystemClock.now_ns();
                    let doubtful_since_ns = match self.direction {
                        Direction::Input if matches!(news, Ok(true)) => {
                            sure_ns.max(now_ns.saturating_sub(WORD.as_nanos() as u64))
                        }
                        Direction::Input => sure_ns,
                        // It is heard where it is; nothing that it has delivered can be taken back.
                        Direction::Output => u64::MAX,
                    };
                    let place = news.and_then(|_| self.place());
                    match &place {
                        Ok(name) if *name == self.device => sure_ns = now_ns,
                        // Its news is used up.
                        Err(NoAnswer::InTime) => is_first = true,
                        _ => {}
                    }
                    let Some(status) = status.upgrade().filter(|status| !status.is_closed()) else { return };
                    if !self.judge(place, &status, doubtful_since_ns) {
                        return;
                    }
                }
            })
            .map_err(|cause| NoAnswer::Odd(format!("no thread: {cause}")))?;
        Ok(Watch { closer, thread: Some(thread) })
    }

    /// Takes note of where the stream is; what has come since `doubtful_since_ns` may be from there, where it is not where it
    /// should be. Returns whether to go on watching.
    fn judge(&mut self, place: Result<String, NoAnswer>, status: &Status, doubtful_since_ns: u64) -> bool {
        match place {
            Ok(name) if name == self.device => true,
            Ok(name) if self.on_move == OnMove::Follow => {
                log::info!("the default device is {name} now, and was {}", self.device);
                self.device = name;
                status.count_error(ErrorKind::DeviceChanged);
                true
            }
            Ok(name) => {
                let reason = format!("moved to {PREFIX}{name}: {PREFIX}{} is gone, or somebody moved it", self.device);
                status.lose(reason, doubtful_since_ns);
                false
            }
            Err(NoAnswer::NoSuchThing) => {
                status.lose("the sound server has ended the stream: its device is gone".to_owned(), u64::MAX);
                false
            }
            Err(NoAnswer::Gone(why)) => {
                status.lose(why, u64::MAX);
                false
            }
            // A server that is stopped has moved nothing.
            Err(NoAnswer::InTime) => true,
            Err(NoAnswer::Odd(why)) => {
                log::info!("{PREFIX}{}: is not watched any more: {why}", self.device);
                false
            }
        }
    }

    /// The name of the device that the stream is on.
    fn place(&mut self) -> Result<String, NoAnswer> {
        let connection = &mut self.connection;
        let name = match self.direction {
            Direction::Input => {
                let stream: SourceOutputInfo =
                    connection.ask(&Command::GetSourceOutputInfo(self.index), ANSWER_LIMIT)?;
                let which = GetSourceInfo { index: Some(stream.source_index), name: None };
                connection.ask::<SourceInfo>(&Command::GetSourceInfo(which), ANSWER_LIMIT)?.name
            }
            Direction::Output => {
                let stream: SinkInputInfo = connection.ask(&Command::GetSinkInputInfo(self.index), ANSWER_LIMIT)?;
                let which = GetSinkInfo { index: Some(stream.sink_index), name: None };
                connection.ask::<SinkInfo>(&Command::GetSinkInfo(which), ANSWER_LIMIT)?.name
            }
        };
        Ok(name.to_string_lossy().into_owned())
    }
}

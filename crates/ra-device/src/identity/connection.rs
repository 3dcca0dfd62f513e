//! A connection to the PulseAudio server for questions only, with a limit on every wait. Starts no thread, and never
//! plays or records.

use std::{
    ffi::CString,
    io::{Cursor, ErrorKind, Read},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use pulseaudio::protocol::{
    AuthParams, AuthReply, Command, CommandReply, CommandTag, MAX_VERSION, Prop, Props, ProtocolError, PulseError,
    SetClientNameReply, SubscriptionEvent, SubscriptionEventType, SubscriptionMask, TagStructReader, read_descriptor,
    write_command_message,
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

/// Bytes of a descriptor in front of each message.
const HEAD_BYTES: usize = pulseaudio::protocol::DESCRIPTOR_SIZE;
/// A message longer than this is none of PulseAudio's, whose lists are some kilobytes.
const LONGEST_MESSAGE_BYTES: usize = 16 << 20;
/// How long the server may leave its end of the connection full.
const WRITE_LIMIT: Duration = Duration::from_millis(500);

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The server does not answer: it hangs or is stopped.
    InTime,
    /// It answered that there is no such thing.
    NoSuchThing,
    /// There is no server any more, or none was found.
    Gone(String),
    /// It answered something else than was expected.
    Odd(String),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoAnswer::InTime => f.write_str("no answer"),
            NoAnswer::NoSuchThing => f.write_str("no such entity"),
            NoAnswer::Gone(why) | NoAnswer::Odd(why) => f.write_str(why),
        }
    }
}

impl From<ProtocolError> for NoAnswer {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Io(error) => NoAnswer::Gone(error.to_string()),
            other => NoAnswer::Odd(other.to_string()),
        }
    }
}

/// A message of the server: its bytes behind the descriptor.
type Message = Vec<u8>;

/// See the file's head.
pub(super) struct Connection {
    socket: UnixStream,
    /// What has been read of messages that are not complete.
    pending: Vec<u8>,
    version: u16,
    next_number: u32,
    /// What has happened to streams, as far as it came between answers.
    news: Vec<(Option<u32>, SubscriptionEventType)>,
}

/// Ends a connection from another thread: whoever waits on it returns at once.
pub(super) struct Closer(UnixStream);

impl Closer {
    /// Closes it.
    pub(super) fn close(&self) {
        // Fails only where it is closed already.
        drop(self.0.shutdown(Shutdown::Both));
    }
}

impl Connection {
    /// Connects and introduces itself; takes `limit` at most.
    pub(super) fn open(limit: Duration) -> Result<Self, NoAnswer> {
        let deadline = Instant::now() + limit;
        let path = pulseaudio::socket_path_from_env()
            .ok_or_else(|| NoAnswer::Gone("no PulseAudio server is to be found from the environment".to_owned()))?;
        let gone = |error: std::io::Error| NoAnswer::Gone(format!("PulseAudio at {}: {error}", path.display()));
        let socket = connect(&path, limit)?;
        socket.set_write_timeout(Some(WRITE_LIMIT)).map_err(gone)?;
        let mut this = Self { socket, pending: Vec::new(), version: MAX_VERSION, next_number: 0, news: Vec::new() };
        let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let auth = AuthParams { version: MAX_VERSION, supports_shm: false, supports_memfd: false, cookie };
        let reply: AuthReply = this.ask_until(&Command::Auth(auth), deadline)?;
        this.version = MAX_VERSION.min(reply.version);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c"ra (watching its streams)");
        let process = CString::new(std::process::id().to_string()).unwrap_or_default();
        props.set(Prop::ApplicationProcessId, process);
        let _: SetClientNameReply = this.ask_until(&Command::SetClientName(props), deadline)?;
        Ok(this)
    }

    /// What ends this connection from another thread.
    pub(super) fn closer(&self) -> Result<Closer, NoAnswer> {
        self.socket.try_clone().map(Closer).map_err(|error| NoAnswer::Gone(error.to_string()))
    }

    /// Asks, and waits `limit` for the answer.
    pub(super) fn ask<R: CommandReply>(&mut self, command: &Command, limit: Duration) -> Result<R, NoAnswer> {
        self.ask_until(command, Instant::now() + limit)
    }

    /// Wants to be told what happens to streams of a kind.
    pub(super) fn subscribe(&mut self, mask: SubscriptionMask, limit: Duration) -> Result<(), NoAnswer> {
        let deadline = Instant::now() + limit;
        let number = self.send(&Command::Subscribe(mask))?;
        self.answer(number, deadline, |_| Ok(()))
    }

    /// Waits until something happens to stream `index`, for `limit` at most. Returns whether something did.
    pub(super) fn wait_for_news(&mut self, index: u32, limit: Duration) -> Result<bool, NoAnswer> {
        let deadline = Instant::now() + limit;
        loop {
            let n_news = self.news.len();
            self.news.retain(|&(about, _)| about != Some(index));
            let is_news = self.news.len() < n_news;
            self.news.clear();
            if is_news {
                return Ok(true);
            }
            let Some(message) = self.next_message(deadline)? else { return Ok(false) };
            self.note(&message);
        }
    }

    fn ask_until<R: CommandReply>(&mut self, command: &Command, deadline: Instant) -> Result<R, NoAnswer> {
        let number = self.send(command)?;
        let version = self.version;
        self.answer(number, deadline, |reader| R::read(reader, version))
    }

    fn send(&mut self, command: &Command) -> Result<u32, NoAnswer> {
        let number = self.next_number;
        self.next_number = self.next_number.wrapping_add(1);
        // One write: half a message would be the end of the connection.
        let mut bytes = Vec::new();
        write_command_message(&mut bytes, number, command, self.version)?;
        std::io::Write::write_all(&mut self.socket, &bytes).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => NoAnswer::InTime,
            _ => NoAnswer::Gone(error.to_string()),
        })?;
        Ok(number)
    }

    fn answer<R>(
        &mut self,
        number: u32,
        deadline: Instant,
        read: impl FnOnce(&mut TagStructReader<'_>) -> Result<R, ProtocolError>,
    ) -> Result<R, NoAnswer> {
        loop {
            let message = self.next_message(deadline)?.ok_or(NoAnswer::InTime)?;
            let mut bytes = Cursor::new(&message);
            let mut reader = TagStructReader::new(&mut bytes, self.version);
            let (tag, of): (CommandTag, u32) = (reader.read_enum()?, reader.read_u32()?);
            match tag {
                CommandTag::Reply if of == number => return Ok(read(&mut reader)?),
                CommandTag::Error if of == number => {
                    return Err(match reader.read_enum()? {
                        PulseError::NoEntity => NoAnswer::NoSuchThing,
                        other => NoAnswer::Odd(other.to_string()),
                    });
                }
                _ => self.note(&message),
            }
        }
    }

    /// Keeps what a message says of a stream; others are of no interest, late answers among them.
    fn note(&mut self, message: &Message) {
        let mut bytes = Cursor::new(message);
        let mut reader = TagStructReader::new(&mut bytes, self.version);
        if let (Ok(CommandTag::SubscribeEvent), Ok(_)) = (reader.read_enum(), reader.read_u32())
            && let Ok(SubscriptionEvent { event_type, index, .. }) = reader.read()
        {
            self.news.push((index, event_type));
        }
    }

    /// The next message; `None` at the deadline. What has come of one by then is kept.
    fn next_message(&mut self, deadline: Instant) -> Result<Option<Message>, NoAnswer> {
        loop {
            if let Some(message) = take_message(&mut self.pending)? {
                return Ok(Some(message));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let gone = |error: std::io::Error| NoAnswer::Gone(error.to_string());
            self.socket.set_read_timeout(Some(left)).map_err(gone)?;
            let mut chunk = [0; 4096];
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(NoAnswer::Gone("the sound server has closed the connection".to_owned())),
                Ok(n) => self.pending.extend_from_slice(&chunk[..n]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(None),
                    ErrorKind::Interrupted => {}
                    _ => return Err(gone(error)),
                },
            }
        }
    }
}

/// Connects, or gives up after `limit`: a server that is stopped takes nobody in, and only a few can wait at its door.
fn connect(path: &Path, limit: Duration) -> Result<UnixStream, NoAnswer> {
    let gone = |error: Errno| NoAnswer::Gone(format!("PulseAudio at {}: {error}", path.display()));
    let address = SocketAddrUnix::new(path).map_err(gone)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(gone)?;
    // Of a Unix socket, the limit for sending is that for connecting too (unix(7) does not say so; the kernel's
    // unix_stream_connect does). Where it is not, a full queue refuses at once.
    set_socket_timeout(&socket, Timeout::Send, Some(limit)).map_err(gone)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(UnixStream::from(socket)),
        Err(Errno::AGAIN) => Err(NoAnswer::InTime),
        Err(error) => Err(gone(error)),
    }
}

/// The first message of `pending`, taken out of it; `None` while it is not complete.
fn take_message(pending: &mut Vec<u8>) -> Result<Option<Message>, NoAnswer> {
    if pending.len() < HEAD_BYTES {
        return Ok(None);
    }
    let head = read_descriptor(&mut Cursor::new(&pending[..HEAD_BYTES]))?;
    let end = HEAD_BYTES + head.length as usize;
    if end > LONGEST_MESSAGE_BYTES {
        return Err(NoAnswer::Odd(format!("a message of {} bytes", head.length)));
    }
    if pending.len() < end {
        return Ok(None);
    }
    let message = pending[HEAD_BYTES..end].to_vec();
    pending.drain(..end);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(command: &Command) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_command_message(&mut bytes, 7, command, MAX_VERSION).unwrap();
        bytes
    }

    #[test]
    fn messages_are_cut_where_they_end_however_they_come() {
        let (first, second) = (message(&Command::GetServerInfo), message(&Command::GetClientInfo(3)));
        let (mut pending, mut taken) = (Vec::new(), Vec::new());
        for byte in first.iter().chain(&second).chain(&first[..HEAD_BYTES + 1]) {
            pending.push(*byte);
            taken.extend(take_message(&mut pending).unwrap());
        }
        assert_eq!(taken, [first[HEAD_BYTES..].to_vec(), second[HEAD_BYTES..].to_vec()]);
        assert_eq!(pending.len(), HEAD_BYTES + 1);
    }

    #[test]
    fn a_message_that_is_none_is_refused() {
        let mut pending = vec![0xff; HEAD_BYTES];
        assert!(matches!(take_message(&mut pending), Err(NoAnswer::Odd(_))));
    }
}

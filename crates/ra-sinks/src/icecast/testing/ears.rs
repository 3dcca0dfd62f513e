//! Listeners: many at once, on one thread, each with what it heard; and what stands in an Ogg stream that one of them kept.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at all connections.
const LOOK: Duration = Duration::from_millis(2);

/// What one listener got.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The answer's head.
    pub head: String,
    /// The stream behind it: all of it, or nothing where only bytes are counted.
    pub bytes: Vec<u8>,
    /// When how many bytes were there, in seconds from its joining.
    pub arrivals: Vec<(f64, usize)>,
    /// Bytes of the stream.
    pub n_bytes: u64,
    /// After how many seconds the server hung up; `None`: it has not.
    pub ended_s: Option<f64>,
}

/// Listens until it is asked what it heard.
#[derive(Debug)]
pub struct Ears {
    stop: Sender<()>,
    counts: Receiver<Vec<u64>>,
    ask: Sender<()>,
    thread: Option<JoinHandle<Vec<Heard>>>,
}

impl Ears {
    /// One listener that keeps everything.
    pub fn one(server: SocketAddr, mount: &str) -> Self {
        Self::open(vec![(server, mount.to_owned())], true)
    }

    /// A listener for each server and mount, all at once; what they hear is counted, and kept where `keeps_bytes`.
    ///
    /// # Panics
    /// Where a server can't be reached.
    pub fn open(places: Vec<(SocketAddr, String)>, keeps_bytes: bool) -> Self {
        let (stop, stopped) = channel();
        let (ask, asked) = channel();
        let (told, counts) = channel();
        let thread = std::thread::spawn(move || {
            let mut ears: Vec<_> = places.iter().map(|(server, mount)| Ear::join(*server, mount)).collect();
            while stopped.try_recv().is_err_and(|error| error == std::sync::mpsc::TryRecvError::Empty) {
                ears.iter_mut().for_each(|ear| ear.listen(keeps_bytes));
                if asked.try_recv().is_ok() {
                    drop(told.send(ears.iter().map(|ear| ear.heard.n_bytes).collect()));
                }
                std::thread::sleep(LOOK);
            }
            ears.into_iter().map(|ear| ear.heard).collect()
        });
        Self { stop, counts, ask, thread: Some(thread) }
    }

    /// How many bytes each has heard so far.
    pub fn counts(&self) -> Vec<u64> {
        // A thread that has panicked answers nothing.
        let _ = self.ask.send(());
        self.counts.recv_timeout(Duration::from_secs(10)).unwrap_or_default()
    }

    /// Hangs up; what each has heard.
    pub fn close(mut self) -> Vec<Heard> {
        let _ = self.stop.send(());
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }

    /// Listens until what one of them has kept satisfies `is_enough`, or `wait` is over. True: it does.
    pub fn until(server: SocketAddr, mount: &str, wait: Duration, is_enough: impl Fn(&Heard) -> bool) -> (Heard, bool) {
        let begun = Instant::now();
        let mut ear = Ear::join(server, mount);
        loop {
            ear.listen(true);
            if is_enough(&ear.heard) {
                return (ear.heard, true);
            }
            if begun.elapsed() > wait || ear.heard.ended_s.is_some() {
                return (ear.heard, false);
            }
            std::thread::sleep(LOOK);
        }
    }
}

struct Ear {
    stream: TcpStream,
    joined: Instant,
    /// What has come of the answer's head.
    head: Option<Vec<u8>>,
    heard: Heard,
}

impl Ear {
    fn join(server: SocketAddr, mount: &str) -> Self {
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(10)).and_then(|mut stream| {
            write!(stream, "GET {mount} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: ra-ears\r\n\r\n")?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        let stream = stream.unwrap_or_else(|e| panic!("{server}: {e}"));
        Self { stream, joined: Instant::now(), head: Some(Vec::new()), heard: Heard::default() }
    }

    fn listen(&mut self, keeps_bytes: bool) {
        let mut buffer = [0; 16 * 1024];
        while self.heard.ended_s.is_none() {
            let now_s = self.joined.elapsed().as_secs_f64();
            match self.stream.read(&mut buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => self.heard.ended_s = Some(now_s),
                Ok(n) => self.hear(&buffer[..n], now_s, keeps_bytes),
            }
        }
    }

    fn hear(&mut self, bytes: &[u8], now_s: f64, keeps_bytes: bool) {
        let mut body = bytes.to_vec();
        if let Some(mut head) = self.head.take() {
            head.extend_from_slice(bytes);
            let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
                self.head = Some(head);
                return;
            };
            body = head.split_off(end + 4);
            self.heard.head = String::from_utf8_lossy(&head).into_owned();
        }
        self.heard.n_bytes += body.len() as u64;
        if keeps_bytes && !body.is_empty() {
            self.heard.bytes.extend_from_slice(&body);
            self.heard.arrivals.push((now_s, self.heard.bytes.len()));
        }
    }
}

/// The pages of an Ogg stream (RFC 3533, section 6): where each ends, its granule position, its serial number, and its body.
#[derive(Clone, Debug)]
pub struct OggPages<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> OggPages<'a> {
    /// From the stream's first byte on.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for OggPages<'a> {
    /// Byte behind the page, granule position, serial number, whether a stream begins, body.
    type Item = (usize, u64, u32, bool, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let page = self.bytes.get(self.at..)?;
        let number = |range: std::ops::Range<usize>| {
            page.get(range).map(|bytes| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
        };
        if !page.starts_with(b"OggS") {
            return None;
        }
        let (granule, serial, n_segments) = (number(6..14)?, number(14..18)? as u32, usize::from(*page.get(26)?));
        let body_len: usize = page.get(27..27 + n_segments)?.iter().map(|&lacing| usize::from(lacing)).sum();
        let body = page.get(27 + n_segments..27 + n_segments + body_len)?;
        self.at += 27 + n_segments + body_len;
        Some((self.at, granule, serial, page[5] & 2 != 0, body))
    }
}

/// The comments of every logical stream in what a listener got, `TITLE=…`, one list for each stream.
pub fn tags_of(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (_, _, _, _, body) in OggPages::of(bytes) {
        let comments = if body.starts_with(b"OpusTags") {
            Some(&body[8..])
        } else if body.starts_with(b"\x03vorbis") {
            Some(&body[7..])
        } else if body.first().is_some_and(|kind| kind & 0x7f == 4) {
            // FLAC's block of comments in Ogg: a type and three bytes of length before it.
            body.get(4..)
        } else {
            None
        };
        if let Some(comments) = comments.and_then(comment_list) {
            found.push(comments);
        }
    }
    found
}

/// Vendor, number, comments: each with its length in four bytes.
fn comment_list(bytes: &[u8]) -> Option<Vec<String>> {
    let text = |at: &mut usize| {
        let length = bytes.get(*at..*at + 4)?.iter().rev().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
        let text = bytes.get(*at + 4..*at + 4 + length)?;
        *at += 4 + length;
        String::from_utf8(text.to_vec()).ok()
    };
    let mut at = 0;
    text(&mut at)?;
    let number = bytes.get(at..at + 4)?.iter().rev().fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
    at += 4;
    (0..number.min(1_000)).map(|_| text(&mut at)).collect()
}

/// What `ffmpeg` complains of when it decodes a stream; empty: nothing.
///
/// # Panics
/// Where there is no `ffmpeg`.
pub fn decode_errors(stream: &[u8]) -> String {
    let mut command = Command::new("ffmpeg");
    // Raw sound has no timestamps; the null muxer would complain of those of a chained stream much more often.
    command.args(["-nostdin", "-v", "error", "-i", "pipe:0", "-f", "f32le", "-y", "/dev/null"]);
    let mut ffmpeg = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("ffmpeg can't be started: {e}"));
    let stdin = ffmpeg.stdin.take();
    let stream = stream.to_vec();
    let writer = std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&stream)));
    let output = ffmpeg.wait_with_output().unwrap_or_else(|e| panic!("ffmpeg: {e}"));
    drop(writer.join());
    // Where a server joins two streams, the second one's time may begin before the end of the first: no decoder is to blame for that.
    let is_of_decoder = |line: &&str| !line.contains("non monotonically increasing dts to muxer");
    let lines: Vec<_> =
        std::str::from_utf8(&output.stderr).unwrap_or("no UTF-8").lines().filter(is_of_decoder).collect();
    let mut text = lines.join("\n");
    if !output.status.success() {
        text.push_str(&format!("\n{}", output.status));
    }
    text
}

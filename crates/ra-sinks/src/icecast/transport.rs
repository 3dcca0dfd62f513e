//! A connection that never blocks, bare or encrypted: bytes in, bytes out, and how far the other side has acknowledged them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use super::socket;

/// An open connection. Every call returns at once.
#[derive(Debug)]
pub(super) struct Transport {
    tcp: TcpStream,
    #[cfg(feature = "tls")]
    tls: Option<Box<rustls::ClientConnection>>,
    /// Bytes that the kernel has taken, encryption included.
    sent_bytes: u64,
}

impl Transport {
    /// A bare connection. The stream is made non-blocking.
    pub(super) fn plain(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        // Pages are written whole, as they come: none waits for another.
        tcp.set_nodelay(true)?;
        Ok(Self {
            tcp,
            #[cfg(feature = "tls")]
            tls: None,
            sent_bytes: 0,
        })
    }

    /// Encrypts what follows.
    #[cfg(feature = "tls")]
    pub(super) fn encrypt(&mut self, tls: rustls::ClientConnection) {
        self.tls = Some(Box::new(tls));
    }

    /// Goes on with agreeing on keys, as far as that is possible now.
    #[cfg(feature = "tls")]
    pub(super) fn agree_on_keys(&mut self) -> io::Result<Agreement> {
        loop {
            self.flush()?;
            let Some(tls) = self.tls.as_mut().filter(|tls| tls.is_handshaking()) else { return Ok(Agreement::Done) };
            match without_waiting(|| tls.read_tls(&mut self.tcp))? {
                Some(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server hung up")),
                Some(_) => self.process_records()?,
                None => return Ok(Agreement::Pending),
            }
        }
    }

    /// Decrypts what has come.
    #[cfg(feature = "tls")]
    fn process_records(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let processed = tls.process_new_packets();
        if processed.is_err() {
            // An alert that says what is wrong goes out first.
            drop(without_waiting(|| tls.write_tls(&mut self.tcp)));
        }
        processed.map(drop).map_err(|cause| io::Error::new(ErrorKind::InvalidData, cause))
    }

    /// Lets at most about `bytes` wait in the kernel.
    pub(super) fn bound_send_buffer(&self, bytes: usize) {
        socket::bound_send_buffer(&self.tcp, bytes);
    }

    /// Sends as much of `bytes` as there is room for, 0 bytes where there is none.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            let n = tls.writer().write(bytes)?;
            self.flush()?;
            return Ok(n);
        }
        let n = without_waiting(|| self.tcp.write(bytes))?.unwrap_or(0);
        self.sent_bytes += n as u64;
        Ok(n)
    }

    /// Hands what was encrypted to the kernel, as far as there is room.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                match without_waiting(|| tls.write_tls(&mut self.tcp))? {
                    Some(n) => self.sent_bytes += n as u64,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Whether something encrypted waits for room in the kernel.
    pub(super) fn has_unsent(&self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.wants_write();
        }
        false
    }

    /// Takes what has come. `None`: nothing now; `Some(0)`: nothing ever again.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            let came = if tls.wants_read() { without_waiting(|| tls.read_tls(&mut self.tcp))? } else { None };
            if came.is_some() {
                self.process_records()?;
            }
            let Some(tls) = &mut self.tls else { return Ok(None) };
            return match without_waiting(|| tls.reader().read(buffer)) {
                // Cut off without a farewell: many servers do that.
                Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => Ok(Some(0)),
                read => read,
            };
        }
        without_waiting(|| self.tcp.read(buffer))
    }

    /// Bytes that the kernel has taken since the connection was made.
    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Of these, the bytes that the other side's system has acknowledged; all of them where nothing is known.
    pub(super) fn acknowledged_bytes(&self) -> u64 {
        self.sent_bytes.saturating_sub(socket::unacknowledged_bytes(&self.tcp).unwrap_or(0))
    }

    /// Ends the connection and forgets what waits in the kernel.
    pub(super) fn cut_off(self) {
        socket::cut_off_when_closed(&self.tcp);
    }

    /// Ends the connection as the protocol has it; what waits in the kernel still goes out.
    pub(super) fn close(mut self) {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        if let Err(cause) = self.flush().and_then(|()| self.tcp.shutdown(std::net::Shutdown::Write)) {
            log::debug!("while closing: {cause}");
        }
    }
}

/// How far the two sides are.
#[cfg(feature = "tls")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// They have their keys.
    Done,
    /// The other side has to say something.
    Pending,
}

/// `None` where it would have had to wait.
fn without_waiting<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        return match call() {
            Ok(value) => Ok(Some(value)),
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(cause) => Err(cause),
        };
    }
}

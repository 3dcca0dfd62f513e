//! A way to a server that can swallow what goes over it: connections stay open, nothing arrives, nobody is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks at what has changed.
const LOOK: Duration = Duration::from_millis(10);

/// Forwards connections to one server, until it is told not to.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Connections of an earlier age are swallowed.
    age: AtomicU64,
    is_open: AtomicBool,
    is_over: AtomicBool,
}

impl Proxy {
    /// Begins to forward what comes to a free port.
    ///
    /// # Panics
    /// Where there is none.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap_or_else(|e| panic!("no proxy: {e}"));
        // What the kernel takes in for a proxy that reads nothing any more looks as if it had arrived.
        let small = rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096);
        let made = small.map_err(std::io::Error::from).and_then(|()| listener.set_nonblocking(true));
        made.unwrap_or_else(|e| panic!("no proxy: {e}"));
        let address = listener.local_addr().unwrap_or_else(|e| panic!("no proxy: {e}"));
        let shared = Arc::new(Shared { is_open: AtomicBool::new(true), ..Shared::default() });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept_all(&listener, server, &for_thread));
        Self { address, shared, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a mount.
    pub fn url(&self, mount: &str) -> String {
        format!("http://{}{mount}", self.address)
    }

    /// From now on it swallows: every connection that there is for good, and new ones until [`Proxy::open`].
    pub fn swallow(&self) {
        self.shared.is_open.store(false, Ordering::SeqCst);
        self.shared.age.fetch_add(1, Ordering::SeqCst);
    }

    /// New connections are forwarded again.
    pub fn open(&self) {
        self.shared.is_open.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn accept_all(listener: &TcpListener, server: SocketAddr, shared: &Arc<Shared>) {
    while !shared.is_over.load(Ordering::SeqCst) {
        // While it swallows, the kernel still takes connections for it.
        let client = if shared.is_open.load(Ordering::SeqCst) { listener.accept().ok() } else { None };
        let Some((client, _)) = client else {
            std::thread::sleep(LOOK);
            continue;
        };
        // A server that is not there: the connection is closed.
        let Ok(server) = TcpStream::connect_timeout(&server, Duration::from_secs(1)) else { continue };
        let age = shared.age.load(Ordering::SeqCst);
        let ways = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
        for (from, to) in ways {
            let (Ok(from), Ok(to)) = (from, to) else { continue };
            let shared = Arc::clone(shared);
            std::thread::spawn(move || forward(from, to, age, &shared));
        }
    }
}

/// Carries bytes one way.
fn forward(mut from: TcpStream, mut to: TcpStream, age: u64, shared: &Shared) {
    let is_over = || shared.is_over.load(Ordering::SeqCst);
    let set = from.set_nonblocking(false).and_then(|()| from.set_read_timeout(Some(LOOK)));
    if set.and_then(|()| to.set_nonblocking(false)).is_err() {
        return;
    }
    let mut buffer = [0; 4096];
    while !is_over() {
        if shared.age.load(Ordering::SeqCst) != age {
            // Swallowed: both ends stay open, and nothing is read.
            while !is_over() {
                std::thread::sleep(LOOK);
            }
            return;
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) if to.write_all(&buffer[..n]).is_ok() => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    // One side has hung up, and so does the other.
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}

//! A server that does what a script says: it answers each connection as the test likes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a script sees of one connection.
pub(crate) struct Call {
    /// Counts from 0.
    pub(crate) number: usize,
    /// The request with its headers.
    pub(crate) request: String,
    pub(crate) stream: TcpStream,
}

impl Call {
    pub(crate) fn answer(&mut self, text: &str) {
        // The other side may have hung up.
        drop(self.stream.write_all(text.as_bytes()));
    }

    pub(crate) fn grant(&mut self) {
        self.answer("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\nHTTP/1.0 200 OK\r\n\r\n");
    }

    /// Reads until there are so many bytes or the other side hangs up.
    pub(crate) fn read(&mut self, n_bytes: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while bytes.len() < n_bytes {
            match self.stream.read(&mut buffer) {
                Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
                _ => break,
            }
        }
        bytes
    }
}

/// Serves until the test ends.
pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    pub(crate) fn start(script: impl Fn(Call) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Little is taken in by a server that does not read.
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (Arc::clone(&requests), Arc::new(script));
        std::thread::spawn(move || {
            for (stream, number) in listener.incoming().zip(0..) {
                let (log, script, mut stream) = (Arc::clone(&log), Arc::clone(&script), stream.unwrap());
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                        head.push(byte[0]);
                    }
                    let request = String::from_utf8_lossy(&head).into_owned();
                    log.lock().unwrap().push(request.clone());
                    script(Call { number, request, stream });
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/live.ogg", self.address)
    }

    /// The first lines of all requests.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|request| request.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

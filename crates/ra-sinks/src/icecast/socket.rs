//! What is asked of a TCP socket beyond the standard library: how much the other side has not acknowledged, how much may
//! wait in the kernel, whether it leads back to itself, and to be cut off at once.

#![allow(unsafe_code, reason = "the one question that no safe interface has: TIOCOUTQ")]

use std::net::TcpStream;

/// Lets at most about `bytes` wait in the kernel: what waits there is late, and is nobody's to throw away.
pub(super) fn bound_send_buffer(stream: &TcpStream, bytes: usize) {
    #[cfg(unix)]
    if let Err(cause) = rustix::net::sockopt::set_socket_send_buffer_size(stream, bytes) {
        log::debug!("no bound for the kernel's buffer: {cause}");
    }
    #[cfg(not(unix))]
    let _ = (stream, bytes);
}

/// Closing it drops what waits in the kernel and tells the server at once, where it can be told: it frees the mount earlier.
pub(super) fn cut_off_when_closed(stream: &TcpStream) {
    #[cfg(unix)]
    if let Err(cause) = rustix::net::sockopt::set_socket_linger(stream, Some(std::time::Duration::ZERO)) {
        log::debug!("the connection will linger: {cause}");
    }
    #[cfg(not(unix))]
    let _ = stream;
}

/// Whether both ends are one: to a port of this machine that nobody listens on, and that the system has just drawn for the
/// connection itself, TCP connects (RFC 9293, section 3.5, simultaneous open). What is sent then comes back.
pub(super) fn is_connected_to_itself(stream: &TcpStream) -> bool {
    stream.local_addr().is_ok_and(|ours| stream.peer_addr().is_ok_and(|theirs| ours == theirs))
}

/// Bytes that were sent and that the other side has not acknowledged (`SIOCOUTQ`, tcp(7)); `None` where the system does not
/// say.
#[cfg(target_os = "linux")]
pub(super) fn unacknowledged_bytes(stream: &TcpStream) -> Option<u64> {
    use std::os::fd::AsRawFd;
    let mut n_bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open, as it is borrowed from a stream; TIOCOUTQ writes one int, to which the pointer points.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut n_bytes) };
    if result == 0 { u64::try_from(n_bytes).ok() } else { None }
}

/// As on Linux; other systems do not say.
#[cfg(not(target_os = "linux"))]
pub(super) fn unacknowledged_bytes(_stream: &TcpStream) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_to_itself_is_told_from_others() {
        use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, socket};
        let alone = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&alone, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        connect(&alone, &getsockname(&alone).unwrap()).unwrap();
        let mut alone = TcpStream::from(alone);
        alone.write_all(b"echo").unwrap();
        alone.read_exact(&mut [0; 4]).unwrap();
        assert!(is_connected_to_itself(&alone));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_connected_to_itself(&TcpStream::connect(listener.local_addr().unwrap()).unwrap()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_nobody_reads_stays_unacknowledged_once_the_others_buffer_is_full() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        bound_send_buffer(&ours, 16 * 1024);
        assert_eq!(unacknowledged_bytes(&ours), Some(0));
        ours.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(n) = ours.write(&[7; 4096]) {
            sent += n as u64;
            assert!(sent < 1 << 20, "the bound does not hold");
        }
        assert!(unacknowledged_bytes(&ours).unwrap() > 0);
        ours.set_nonblocking(false).unwrap();
        let mut left = sent;
        let mut buffer = [0; 4096];
        while left > 0 {
            left -= theirs.read(&mut buffer).unwrap() as u64;
        }
        // All of it was read, so all of it was received; its acknowledgement may be on its way for a moment.
        for _ in 0..1000 {
            if unacknowledged_bytes(&ours) == Some(0) {
                return;
            }
            std::thread::yield_now();
        }
        assert_eq!(unacknowledged_bytes(&ours), Some(0));
    }
}

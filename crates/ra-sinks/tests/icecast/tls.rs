//! Over TLS: a stream that arrives, and certificates that are not good enough.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::player::{Player, config};

/// A server with a certificate for `name`, which grants everything, and the file with that certificate.
fn tls_server(name: &str, folder: &std::path::Path) -> (SocketAddr, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let ca_file = folder.join("ca.pem");
    std::fs::write(&ca_file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let rules = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let rules = Arc::new(rules);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let (mut tcp, mut tls) = (tcp.unwrap(), ServerConnection::new(Arc::clone(&rules)).unwrap());
            std::thread::spawn(move || {
                let mut stream = Stream::new(&mut tls, &mut tcp);
                let mut bytes = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(n) = stream.read(&mut buffer)
                    && n > 0
                {
                    let had_head = bytes.windows(4).any(|four| four == b"\r\n\r\n");
                    bytes.extend_from_slice(&buffer[..n]);
                    if !had_head && bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                        let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n";
                        stream.write_all(answer).unwrap();
                    }
                }
            });
        }
    });
    (address, ca_file)
}

#[test]
fn a_stream_arrives_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let (address, ca_file) = tls_server("localhost", folder.path());
    let mut config = config(&format!("https://localhost:{}/live.ogg", address.port()), "pa55");
    config.tls_ca_file = Some(ca_file);
    let player = Player::start(config);
    player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 2 * 48_000);
    let (report, account) = player.finish();
    report.unwrap();
    assert_eq!(account.dropped_frames, 0, "{account}");
}

#[test]
fn certificates_for_others_and_by_nobody_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (address, ca_file) = tls_server("radio.example", folder.path());
    let url = format!("https://localhost:{}/live.ogg", address.port());
    let mut for_another = config(&url, "pa55");
    for_another.tls_ca_file = Some(ca_file);
    let trouble = Player::start(for_another).trouble();
    assert!(trouble.contains("TLS: the server's certificate is not for \"localhost\", but for "), "{trouble}");
    assert!(trouble.contains("radio.example"), "{trouble}");
    let (address, other) = tls_server("localhost", folder.path());
    let (_, ca_file) = tls_server("localhost", &{
        let another = folder.path().join("another");
        std::fs::create_dir(&another).unwrap();
        another
    });
    assert_ne!(other, ca_file);
    let mut unknown = config(&format!("https://localhost:{}/live.ogg", address.port()), "pa55");
    unknown.tls_ca_file = Some(ca_file);
    let trouble = Player::start(unknown).trouble();
    assert!(trouble.contains("TLS: the server's certificate is "), "{trouble}");
}

#[test]
fn a_server_without_tls_is_told_apart_and_so_is_a_file_without_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let (_, ca_file) = tls_server("localhost", folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            tcp.unwrap().write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").unwrap();
        }
    });
    let mut plain = config(&format!("https://localhost:{port}/live.ogg"), "pa55");
    plain.tls_ca_file = Some(ca_file.clone());
    let trouble = Player::start(plain.clone()).trouble();
    assert!(trouble.contains("TLS: what answers speaks no TLS: is this port http://?"), "{trouble}");
    std::fs::write(&ca_file, "no certificate").unwrap();
    plain.tls_ca_file = Some(ca_file);
    let error = ra_sinks::IcecastSink::new(plain).err().unwrap();
    assert!(error.to_string().contains("no certificate in it, expected PEM"), "{error}");
}

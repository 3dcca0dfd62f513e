//! An `icecast2` of its own on a free port of this machine. It can be ended, killed, stopped and started again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// For a server to come up, on a machine that has a lot to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which of the programs that these tests need are missing: `icecast2` and `ffmpeg`, and as root `setpriv`, because
/// Icecast refuses root.
pub fn missing_tools() -> Vec<&'static str> {
    let is_there =
        |tool: &&str| Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let needed: &[&str] = if is_root() { &["icecast2", "ffmpeg", "setpriv"] } else { &["icecast2", "ffmpeg"] };
    needed.iter().copied().filter(|tool| !is_there(tool)).collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A TCP port that is free at this moment, and that the system gives to nobody who does not ask for it: a client that tries
/// again and again to reach a server which is not there would else get the server's port as its own one day, and talk to
/// itself.
///
/// # Panics
/// Where there is none.
pub fn free_port() -> u16 {
    /// Below the ports that Linux draws from (ip(7), ip_local_port_range).
    const PORTS: std::ops::Range<u32> = 20_000..32_000;
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Processes begin at different places.
    let begin = std::process::id().wrapping_mul(0x9e37_79b1) >> 8;
    for _ in PORTS {
        let drawn = begin.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u32;
        let port = (PORTS.start + drawn) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {} to {}", PORTS.start, PORTS.end)
}

/// What a server is to be like.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// The port; `None`: a free one.
    pub port: Option<u16>,
    /// After how many seconds a silent source is dropped.
    pub source_timeout_s: u32,
    /// Most clients.
    pub clients: u32,
    /// `<mount>` and `<relay>` elements.
    pub xml: String,
}

impl Default for ServerPlan {
    fn default() -> Self {
        Self { port: None, source_timeout_s: 3, clients: 400, xml: String::new() }
    }
}

/// A running server, or one that was ended and can be started again on the same port. Ends when it is dropped.
#[derive(Debug)]
pub struct IcecastServer {
    plan: ServerPlan,
    port: u16,
    folder: PathBuf,
    process: Option<Child>,
}

impl IcecastServer {
    /// The password of its sources, whose user is `source`.
    pub const PASSWORD: &str = "pa55-of-the-source";

    /// Starts one.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start(plan: ServerPlan) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ra-icecast-{}-{count}", std::process::id()));
        let made = std::fs::create_dir_all(&folder).and_then(|()| open_to_all(&folder));
        made.unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let port = plan.port.unwrap_or_else(free_port);
        let mut server = Self { plan, port, folder, process: None };
        server.restart();
        server
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The URL of a mount.
    pub fn url(&self, mount: &str) -> String {
        format!("http://127.0.0.1:{}{mount}", self.port)
    }

    /// Starts it, where it was ended; returns when it answers. Icecast 2.4.4 sometimes dies of the first question that it is
    /// asked (SIGSEGV, on a machine that has a lot to do): it is started again then.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn restart(&mut self) {
        let config = self.folder.join("icecast.xml");
        std::fs::write(&config, self.config()).unwrap_or_else(|e| panic!("{}: {e}", config.display()));
        let begun = Instant::now();
        loop {
            let process = self.command(&config).spawn();
            self.process = Some(process.unwrap_or_else(|e| panic!("icecast2 can't be started: {e}")));
            let died_of = loop {
                if self.status().contains(" 200 OK") {
                    return;
                }
                if let Some(ended) = self.process.as_mut().and_then(|process| process.try_wait().ok()).flatten() {
                    break ended;
                }
                assert!(begun.elapsed() < PATIENCE, "icecast2 does not answer: {}", self.log());
                std::thread::sleep(Duration::from_millis(5));
            };
            let is_its_own_fault = std::os::unix::process::ExitStatusExt::signal(&died_of).is_some();
            assert!(is_its_own_fault && begun.elapsed() < PATIENCE, "icecast2 has ended, {died_of}: {}", self.log());
        }
    }

    fn command(&self, config: &Path) -> Command {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "icecast2"]);
            command
        } else {
            Command::new("icecast2")
        };
        command.arg("-c").arg(config).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn config(&self) -> String {
        let ServerPlan { source_timeout_s, clients, xml, .. } = &self.plan;
        let (port, folder, password) = (self.port, self.folder.display(), Self::PASSWORD);
        format!(
            "<icecast>\n\
             <limits><clients>{clients}</clients><sources>20</sources><queue-size>1048576</queue-size>\n\
             <client-timeout>30</client-timeout><header-timeout>15</header-timeout>\n\
             <source-timeout>{source_timeout_s}</source-timeout><burst-size>65536</burst-size></limits>\n\
             <authentication><source-password>{password}</source-password><relay-password>{password}</relay-password>\n\
             <admin-user>admin</admin-user><admin-password>{password}</admin-password></authentication>\n\
             <hostname>localhost</hostname>\n\
             <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>\n\
             {xml}\n\
             <fileserve>0</fileserve>\n\
             <paths><basedir>{folder}</basedir><logdir>{folder}</logdir>\n\
             <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot></paths>\n\
             <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>\n\
             <security><chroot>0</chroot></security>\n\
             </icecast>\n"
        )
    }

    /// Ends it: its connections are closed at once.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// Stops it where it stands: its connections stay open, and nobody answers on them.
    pub fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.process.as_ref().and_then(|process| rustix::process::Pid::from_raw(process.id() as i32));
        let sent = pid.map(|pid| rustix::process::kill_process(pid, signal));
        assert!(matches!(sent, Some(Ok(()))), "no signal to icecast2: {sent:?}");
    }

    /// What it says of its streams (`/status-json.xsl`); empty where it does not answer.
    pub fn status(&self) -> String {
        self.get("/status-json.xsl").unwrap_or_default()
    }

    /// Whether a mount has a source.
    pub fn has_source(&self, mount: &str) -> bool {
        self.status().contains(&format!("{mount}\""))
    }

    /// Its own account of what happened.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("error.log")).unwrap_or_default()
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address(), Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for IcecastServer {
    fn drop(&mut self) {
        self.kill();
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The server runs as somebody else.
fn open_to_all(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777))
}

//! Several servers at once, for programs that were prepared by [`prepare`].

use std::{fs, path::Path, process::Command};

use super::{JackServer, NullSink, PulseServer, is_installed, jack, pulse};

/// Which servers there are to be.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The sinks of PulseAudio server `a`: the one that `PULSE_SERVER` names.
    pub a: Vec<NullSink>,
    /// The sinks of a second PulseAudio server, and how much its clock is fast, in ppm. Reached through ALSA.
    pub b: Option<(Vec<NullSink>, f64)>,
    /// The period of a JACK server in frames.
    pub jack_period_frames: Option<u32>,
}

/// Servers that run until this is dropped.
pub struct Servers {
    /// PulseAudio server `a`; its sinks are `pulseaudio:NAME`, and `alsa:a_NAME` to ALSA.
    pub a: PulseServer,
    /// PulseAudio server `b`; its sinks' sources are `alsa:b_NAME`.
    pub b: Option<PulseServer>,
    /// The JACK server.
    pub jack: Option<JackServer>,
}

/// The programs that a scene needs and that are not installed; each by the name of its Debian package.
pub fn missing_tools(scene: &Scene) -> Vec<&'static str> {
    let mut missing = Vec::new();
    let mut need = |is_there: bool, package: &'static str| {
        if !is_there {
            missing.push(package);
        }
    };
    need(is_installed("pulseaudio"), "pulseaudio");
    need(is_installed("pactl"), "pulseaudio-utils");
    if let Some((_, skew_ppm)) = scene.b {
        need(skew_ppm == 0.0 || pulse::faketime_library().is_some(), "faketime");
    }
    if scene.jack_period_frames.is_some() {
        need(is_installed("jackd") && is_installed("jack_wait") && is_installed("jack_lsp"), "jackd2");
    }
    missing
}

impl Servers {
    /// Starts them, with what they need in `folder`.
    ///
    /// # Panics
    /// Where one does not come up.
    pub fn start(folder: &Path, scene: &Scene) -> Self {
        let folder_of = |name: &str| {
            let path = folder.join(name);
            fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            path
        };
        let a = PulseServer::start(&folder_of("a"), &scene.a, 0.0);
        let b = scene.b.as_ref().map(|(sinks, skew_ppm)| PulseServer::start(&folder_of("b"), sinks, *skew_ppm));
        let jack = scene.jack_period_frames.map(|period_frames| JackServer::start(folder, period_frames));
        let asound_conf = folder.join("asound.conf");
        let mut text = "</usr/share/alsa/alsa.conf>\n".to_owned();
        let sinks_b = scene.b.as_ref().map(|(sinks, _)| &sinks[..]).unwrap_or_default();
        for (letter, server, sinks) in [("a", Some(&a), &scene.a[..]), ("b", b.as_ref(), sinks_b)] {
            let Some(server) = server else { continue };
            for sink in sinks {
                let (name, address) = (format!("{letter}_{}", sink.name), server.address());
                text += &format!(
                    "pcm.{name} {{ type pulse server \"{address}\" device {}.monitor hint {{ show on description \
                     \"{name}\" }} }}\n",
                    sink.name
                );
            }
        }
        fs::write(&asound_conf, text).unwrap_or_else(|e| panic!("{}: {e}", asound_conf.display()));
        Self { a, b, jack }
    }
}

/// Lets a program find the servers of a folder, whether they run or not, and no others.
pub fn prepare(command: &mut Command, folder: &Path) {
    command
        .env("PULSE_SERVER", pulse::address(&folder.join("a")))
        .env("ALSA_CONFIG_PATH", folder.join("asound.conf"))
        .env("JACK_NO_START_SERVER", "1")
        .env("JACK_DEFAULT_SERVER", jack::name_for(folder));
}

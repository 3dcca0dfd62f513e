//! `ra wave`: a picture of a sound file. Reads the file once, in memory of a fixed size; changes nothing in it.

mod envelope;
mod font;
mod layout;
mod output;
mod progress;
mod raster;
mod shape;
mod sidecar;
mod svg;
mod theme;
mod ticks;

use std::path::Path;

use ra_engine::core::{PulledSource, Source, StreamEvent, StreamSpec};
use ra_engine::sources::{FileConfig, FileSource};
use serde::Serialize;

use crate::Failure;
use crate::args::{ScaleArg, ThemeArg, WaveArgs};
use crate::stdout::print_result;
use envelope::{ChannelLevel, Column, Envelope};
use layout::Scene;
use output::{Kind, Output};
use progress::Progress;
use sidecar::{FileGap, SidecarNews};
use svg::SvgTheme;
use theme::Theme;

/// Frames that are read at once.
const READ_FRAMES: usize = 16_384;
/// The most pixels of a picture's side: 16384 by 16384 is 800 MB while it is drawn.
const MOST_PIXELS: u32 = 16_384;

/// Draws a file.
pub(crate) fn wave(args: &WaveArgs) -> Result<(), Failure> {
    // Data alone needs no picture.
    let wants_picture = !args.json || args.output.is_some();
    let output = wants_picture.then(|| Output::plan(args.output.as_deref(), &args.file, args.force)).transpose()?;
    if !(layout::LEAST_WIDTH..=MOST_PIXELS).contains(&args.width) {
        let message = format!("--width {}, expected {} to {MOST_PIXELS} pixels", args.width, layout::LEAST_WIDTH);
        return Err(Failure::Usage(message));
    }
    let mut file = FileSource::open(FileConfig::new(&args.file)).map_err(Failure::usage)?;
    let spec = file.spec();
    let height = height(args, spec)?;
    let n_columns = layout::columns_in(args.width);

    let envelope = measure(&mut file, n_columns)?;
    if envelope.non_finite_samples() > 0 {
        let n = envelope.non_finite_samples();
        log::warn!("{}: {n} samples are no numbers, and are drawn as silence", args.file.display());
    }
    let news = sidecar::read_beside(&args.file).unwrap_or_else(|why| {
        log::warn!("{why}");
        None
    });
    let news = news.unwrap_or_default();
    if news.gaps_omitted > 0 {
        log::warn!("{}: {} gaps are in no list and are not drawn", args.file.display(), news.gaps_omitted);
    }
    let sound = Sound { path: &args.file, spec, envelope: &envelope, news: &news };
    if let Some(output) = &output {
        let scene = sound.scene(args.scale);
        let picture = match output.kind() {
            Kind::Svg => {
                let theme = match args.theme {
                    ThemeArg::Auto => SvgTheme::Viewers,
                    ThemeArg::Light => SvgTheme::Fixed(Theme::Light),
                    ThemeArg::Dark => SvgTheme::Fixed(Theme::Dark),
                };
                svg::write_svg(&layout::lay_out(&scene, args.width, height, svg::METRICS), theme).into_bytes()
            }
            Kind::Png => {
                let theme = if args.theme == ThemeArg::Dark { Theme::Dark } else { Theme::Light };
                let picture = layout::lay_out(&scene, args.width, height, raster::METRICS);
                raster::write_png(&picture, theme).map_err(Failure::running)?
            }
        };
        output.write(&picture)?;
    }
    let picture = output.as_ref().map(Output::path);
    print_result(&if args.json { sound.json(picture, n_columns)? } else { sound.line(picture) })
}

fn height(args: &WaveArgs, spec: StreamSpec) -> Result<u32, Failure> {
    let n_channels = spec.channels.get();
    let least = layout::least_height(n_channels);
    match args.height {
        None => Ok(layout::usual_height(n_channels).min(MOST_PIXELS).max(least)),
        Some(height) if (least..=MOST_PIXELS).contains(&height) => Ok(height),
        Some(height) => Err(Failure::Usage(format!(
            "--height {height}, expected {least} to {MOST_PIXELS} pixels for {n_channels} channels"
        ))),
    }
}

/// Reads the file to its end.
fn measure(file: &mut FileSource, n_columns: usize) -> Result<Envelope, Failure> {
    let spec = file.spec();
    let mut envelope = Envelope::new(spec.channels, n_columns);
    let mut progress = Progress::new(file.remaining_frames(), spec.sample_rate);
    let mut samples = vec![0.0; spec.samples(READ_FRAMES)];
    loop {
        match file.read(&mut samples).map_err(Failure::running)? {
            StreamEvent::Frames { n_frames } => {
                envelope.add(&samples[..spec.samples(n_frames)]);
                progress.show(envelope.n_frames());
            }
            StreamEvent::EndOfStream => return Ok(envelope),
            StreamEvent::FormatChanged { spec: other } => {
                let (file, at) = (file.path().display(), envelope.n_frames());
                let message = format!("{file}: from frame {at} on it is {other}, expected {spec} to the end");
                return Err(Failure::Running(message));
            }
            other => {
                let message = format!("{}: {other:?}, expected sound or its end", file.path().display());
                return Err(Failure::Running(message));
            }
        }
    }
}

/// All that is known of a file.
struct Sound<'a> {
    path: &'a Path,
    spec: StreamSpec,
    envelope: &'a Envelope,
    news: &'a SidecarNews,
}

impl Sound<'_> {
    fn duration_s(&self) -> f64 {
        self.envelope.n_frames() as f64 / f64::from(self.spec.sample_rate.hz())
    }

    fn levels(&self) -> impl Iterator<Item = ChannelLevel> {
        (0..self.envelope.n_channels()).map(|channel| self.envelope.level(channel))
    }

    /// The loudest channel's peak and RMS, and all clipped samples.
    fn over_all(&self) -> ChannelLevel {
        self.levels().fold(ChannelLevel::default(), |all, one| ChannelLevel {
            peak_lin: all.peak_lin.max(one.peak_lin),
            rms_lin: all.rms_lin.max(one.rms_lin),
            clipped_samples: all.clipped_samples + one.clipped_samples,
        })
    }

    fn facts(&self) -> Vec<String> {
        let all = self.over_all();
        let mut facts = vec![
            ticks::length(self.duration_s()),
            self.spec.to_string(),
            format!("peak {}", ticks::dbfs(all.peak_lin)),
            format!("RMS {}", ticks::dbfs(all.rms_lin)),
        ];
        if all.clipped_samples > 0 {
            facts.push(format!("{} samples clipped", all.clipped_samples));
        }
        let n_gaps = self.news.n_gaps();
        if n_gaps > 0 {
            let seconds = self.news.gap_frames as f64 / f64::from(self.spec.sample_rate.hz());
            facts.push(format!("{n_gaps} {}, {seconds:.3} s missing", if n_gaps == 1 { "gap" } else { "gaps" }));
        }
        // To the second: the rest is in the sidecar.
        let to_the_second = |time: &String| match (time.find('.'), time.ends_with('Z')) {
            (Some(dot), true) => format!("from {}Z", &time[..dot]),
            _ => format!("from {time}"),
        };
        facts.extend(self.news.start_time.as_ref().map(to_the_second));
        facts
    }

    fn scene(&self, scale: ScaleArg) -> Scene<'_> {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        Scene {
            title: name.to_string_lossy().into_owned(),
            facts: self.facts(),
            envelope: self.envelope,
            sample_rate_hz: self.spec.sample_rate.hz(),
            gaps: &self.news.gaps,
            is_decibel: scale == ScaleArg::Db,
        }
    }

    fn line(&self, picture: Option<&Path>) -> String {
        let what = picture.unwrap_or(self.path).display();
        format!("{what}: {}\n", self.facts().join(", "))
    }

    fn json(&self, picture: Option<&Path>, n_columns: usize) -> Result<String, Failure> {
        let channel = |channel: usize| {
            let ChannelLevel { peak_lin, rms_lin, clipped_samples } = self.envelope.level(channel);
            let columns = self.envelope.columns(channel, n_columns);
            let list = |value: fn(&Column) -> f32| columns.iter().map(value).collect();
            ChannelReport {
                peak_lin,
                rms_lin,
                clipped_samples,
                min_lin: list(|column| column.min_lin),
                max_lin: list(|column| column.max_lin),
                columns_rms_lin: list(|column| column.rms_lin),
            }
        };
        let report = Report {
            schema: 1,
            file: self.path.to_string_lossy().into_owned(),
            picture: picture.map(|path| path.to_string_lossy().into_owned()),
            sample_rate: self.spec.sample_rate.hz(),
            n_frames: self.envelope.n_frames(),
            non_finite_samples: self.envelope.non_finite_samples(),
            start_time: self.news.start_time.as_deref(),
            gaps: &self.news.gaps,
            gaps_omitted: self.news.gaps_omitted,
            n_columns: if self.envelope.n_frames() == 0 { 0 } else { n_columns },
            channels: (0..self.envelope.n_channels()).map(channel).collect(),
        };
        let text = serde_json::to_string(&report).map_err(|e| Failure::Running(format!("the report: {e}")))?;
        Ok(text + "\n")
    }
}

/// What `--json` prints; its fields are an interface, in `docs/reports.md`.
#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    file: String,
    picture: Option<String>,
    sample_rate: u32,
    n_frames: u64,
    non_finite_samples: u64,
    start_time: Option<&'a str>,
    gaps: &'a [FileGap],
    gaps_omitted: u64,
    n_columns: usize,
    channels: Vec<ChannelReport>,
}

#[derive(Serialize)]
struct ChannelReport {
    peak_lin: f32,
    rms_lin: f32,
    clipped_samples: u64,
    min_lin: Vec<f32>,
    max_lin: Vec<f32>,
    columns_rms_lin: Vec<f32>,
}

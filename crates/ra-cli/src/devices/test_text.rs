//! What a test of devices found, for people. Pure.

use std::fmt::Write as _;

use ra_device::measure::{CallbackReport, ChannelLevel, MeasureReport, Quantiles, RateReport, RoundTrip, StreamReport};

use crate::summary::table;

/// The whole report.
pub(super) fn of_report(report: &MeasureReport) -> String {
    let mut text = String::new();
    for stream in [&report.input, &report.output].into_iter().flatten() {
        add_stream(&mut text, stream);
    }
    add_levels(&mut text, &report.levels);
    if let Some(trip) = &report.round_trip {
        add_trip(&mut text, trip);
    }
    for (word, findings) in [("wrong", &report.verdict.faults), ("note ", &report.verdict.notes)] {
        for finding in findings {
            add(&mut text, format_args!("{word}  {}", finding.text));
        }
    }
    add(&mut text, format_args!("verdict: {}", if report.verdict.good { "good" } else { "not good" }));
    text
}

fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = writeln!(text, "{line}");
}

fn add_stream(text: &mut String, stream: &StreamReport) {
    let StreamReport { direction, device, sample_rate, channels, .. } = stream;
    let period = stream.period_frames.map_or("of its own size".to_owned(), |n| format!("of {n} frames"));
    add(text, format_args!("{direction}  {device}"));
    add(
        text,
        format_args!(
            "  opened     {sample_rate} Hz, {channels} channels, periods {period}; ran {:.1} s",
            stream.seconds
        ),
    );
    match &stream.rate {
        Some(rate) => add_rate(text, rate),
        None => add(text, format_args!("  rate       unknown: too little came")),
    }
    add_callbacks(text, &stream.callbacks);
    let thread =
        stream.callback_thread.as_ref().map(|class| format!("; callbacks' thread: {class}")).unwrap_or_default();
    let (xruns, errors, replaced) = (stream.xruns, stream.errors, stream.replaced_stamps);
    add(text, format_args!("  counted    {xruns} xruns, {errors} errors, {replaced} stamps replaced{thread}"));
}

fn add_rate(text: &mut String, rate: &RateReport) {
    let RateReport { rate_hz, drift_ppm, sigma_ppm, seconds, stamp_jitter_us, .. } = rate;
    let estimator = rate.estimator_ppm.map_or("not sure yet".to_owned(), |ppm| format!("{ppm:+.1} ppm"));
    add(
        text,
        format_args!(
            "  rate       {rate_hz:.2} Hz: {drift_ppm:+.1} ppm ± {sigma_ppm:.1} (robust line through {seconds:.1} s of stamps; \
             the engine's estimator: {estimator})"
        ),
    );
    let (jumps, delivered_hz) = (rate.jumps, rate.delivered_hz);
    add(
        text,
        format_args!("  stamps     {stamp_jitter_us:.0} µs off the line; {jumps} jumps; {delivered_hz:.2} Hz came"),
    );
}

fn add_callbacks(text: &mut String, callbacks: &CallbackReport) {
    let Quantiles { p50, p99, max } = callbacks.frames;
    let shortest = callbacks.shortest_frames;
    add(text, format_args!("  callbacks  {} of {shortest} to {max} frames (p50 {p50}, p99 {p99})", callbacks.n));
    for (what, us) in [("intervals", callbacks.interval_us), ("jitter", callbacks.jitter_us)] {
        let Quantiles { p50, p99, max } = us;
        add(text, format_args!("  {what:9}  p50 {:.3} ms, p99 {:.3}, max {:.3}", p50 / 1e3, p99 / 1e3, max / 1e3));
    }
}

fn dbfs(lin: f64) -> String {
    if lin == 0.0 { "-inf".to_owned() } else { format!("{:.1}", 20.0 * lin.abs().log10()) }
}

fn add_levels(text: &mut String, levels: &[ChannelLevel]) {
    if levels.is_empty() {
        return;
    }
    let head = ["channel", "peak dBFS", "rms dBFS", "dc", "clipped", "no numbers", "holes", ""];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(levels.iter().enumerate().map(|(i, level)| {
        let remark = match level {
            ChannelLevel { digital_silence: true, .. } => "digital silence",
            ChannelLevel { stuck: true, .. } => "stands still",
            _ => "",
        };
        [
            (i + 1).to_string(),
            dbfs(level.peak_lin),
            dbfs(level.rms_lin),
            format!("{:+.5}", level.dc_lin),
            level.clipped_samples.to_string(),
            level.non_finite_samples.to_string(),
            level.holes.to_string(),
            remark.to_owned(),
        ]
    }));
    for line in table(&rows, 0).lines() {
        add(text, format_args!("  {line}"));
    }
}

fn add_trip(text: &mut String, trip: &RoundTrip) {
    add(text, format_args!("round trip  {} of {} sweeps heard", trip.sweeps_heard, trip.sweeps_played));
    if trip.sweeps_heard == 0 {
        return;
    }
    let RoundTrip { latency_ms, latency_frames, latency_sigma_frames, lag_spread_frames, clear_db, .. } = trip;
    add(
        text,
        format_args!(
            "  latency    {latency_ms:.3} ms = {latency_frames:.2} frames ± {latency_sigma_frames:.2}, callback to callback"
        ),
    );
    add(text, format_args!("  steady to  {lag_spread_frames:.3} frames from sweep to sweep"));
    if let Some(beyond_ms) = trip.beyond_stamps_ms {
        add(text, format_args!("  stamps     {beyond_ms:+.3} ms are not in the stamps of the two"));
    }
    if let Some(ppm) = trip.clock_ppm {
        add(text, format_args!("  clocks     {ppm:+.2} ppm input against output"));
    }
    let way = if trip.gain_lin < 0.0 { ", upside down" } else { "" };
    let (gain_db, channel) = (dbfs(trip.gain_lin), trip.channel);
    add(text, format_args!("  heard      {gain_db} dB{way}, {clear_db:.0} dB clear of the rest, in channel {channel}"));
}

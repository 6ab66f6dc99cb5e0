//! What the daemon shows: the progress on a terminal, the table, the JSON.

use std::fmt::{self, Display};

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{HumanBytes, ProgressBar, ProgressState, ProgressStyle};
use mi7::QueueStatus;
use serde_json::{Value, json};

use super::crew::Crew;
use crate::complain;
use crate::tally::{Share, Tally};

/// The progress, if stderr is a terminal.
pub struct Screen {
    bar: ProgressBar,
    known: bool,
}

/// Until the walk is at its end, nobody knows how many files there are.
const WALKING: &str = "{spinner} {pos} files, {rate}; {msg}";
const KNOWN: &str = "{wide_bar} {pos}/{len} files, {rate}; {msg}";

impl Screen {
    /// Shows nothing yet.
    pub fn new() -> Self {
        let bar = ProgressBar::no_length();
        bar.set_style(style(WALKING));
        Screen { bar, known: false }
    }

    /// Shows how far it is.
    pub fn show(&mut self, tally: &Tally, paths: &QueueStatus, alive: usize) {
        if self.bar.is_hidden() {
            return;
        }
        if let (Some(places), false) = (tally.expected(), self.known) {
            self.known = true;
            self.bar.set_length(places);
            self.bar.set_style(style(KNOWN));
        }
        let bytes = HumanBytes(tally.total().bytes);
        let (depth, capacity) = (paths.message_count, paths.max_messages);
        self.bar.set_message(format!("{bytes}; queue {depth}/{capacity}; {alive} workers"));
        self.bar.set_position(tally.reported());
        self.bar.tick();
    }

    /// Writes a line to stderr, above the progress.
    pub fn say(&self, line: impl Display) {
        self.bar.suspend(|| complain(line));
    }

    /// Takes the progress away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.end();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
        // A line on a terminal: nobody is told if it cannot be formatted.
        let _ = write!(out, "{:.0}/s", state.per_sec());
    })
}

/// The workers, with the restarts of those that are the daemon's own.
fn rows<'a>(tally: &'a Tally, crew: &'a Crew) -> impl Iterator<Item = (&'a str, &'a Share, u64)> {
    tally.workers().iter().map(|(name, share)| {
        let restarts = crew.workers().find(|(worker, _)| worker == name).map_or(0, |(_, restarts)| restarts);
        (name.as_str(), share, restarts)
    })
}

/// The table, for each worker and in total.
pub fn table(tally: &Tally, crew: &Crew) -> Table {
    let mut table = Table::new();
    *table.style_mut() = presets::UTF8_BORDERS_ONLY;
    table.set_header(["worker", "files", "bytes", "lines", "crc_xor", "failed", "restarts"]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut row = |name: &str, share: &Share, restarts: u64| {
        let Share { files, bytes, lines, crc_xor, failed } = share;
        let crc_xor = format!("{crc_xor:08x}");
        table.add_row([
            name,
            &files.to_string(),
            &bytes.to_string(),
            &lines.to_string(),
            &crc_xor,
            &failed.to_string(),
            &restarts.to_string(),
        ]);
    };
    for (name, share, restarts) in rows(tally, crew) {
        row(name, share, restarts);
    }
    row("total", tally.total(), rows(tally, crew).map(|(_, _, restarts)| restarts).sum());
    table
}

/// The same in one line: the totals, and `workers`, a list of the same for each.
pub fn json(tally: &Tally, crew: &Crew, seconds: f64) -> Value {
    let object = |share: &Share| {
        let Share { files, bytes, lines, crc_xor, failed } = share;
        json!({ "files": files, "bytes": bytes, "lines": lines, "crc_xor": format!("{crc_xor:08x}"), "failed": failed })
    };
    let mut totals = object(tally.total());
    totals["seconds"] = json!(seconds);
    totals["restarts"] = json!(crew.restarts());
    totals["repeated"] = json!(tally.repeated());
    totals["workers"] = rows(tally, crew)
        .map(|(name, share, restarts)| {
            let mut worker = object(share);
            worker["name"] = json!(name);
            worker["restarts"] = json!(restarts);
            worker
        })
        .collect();
    totals
}

//! The plot: latency and throughput by size, and both at 64 bytes.

use std::path::Path;

use plotters::prelude::*;

use super::kind;
use crate::contestant::{Outcome, Work};
use crate::contestants::Kind;
use crate::run::Record;

const AREA: (u32, u32) = (1500, 1150);
const FONT: &str = "sans-serif";

pub fn plot(record: &Record, path: &Path) -> Outcome<()> {
    let root = SVGBackend::new(path, AREA).into_drawing_area();
    root.fill(&WHITE)?;
    let halves = root.split_evenly((2, 2));
    curves(&halves[0], record, Work::Latency)?;
    curves(&halves[1], record, Work::Throughput)?;
    bars(&halves[2], record, Work::Latency)?;
    bars(&halves[3], record, Work::Throughput)?;
    root.present()?;
    Ok(())
}

fn colour(name: &str, index: usize) -> RGBAColor {
    match kind(name) {
        Kind::Limit => BLACK.mix(0.7),
        Kind::Mi7 => RGBColor(200, 30, 30).mix(if name == "mi7" { 1.0 } else { 0.6 }),
        _ => Palette99::pick(index).mix(0.8),
    }
}

/// One line for each contestant: nanoseconds, or bytes a second, by size.
fn curves(area: &DrawingArea<SVGBackend, plotters::coord::Shift>, record: &Record, work: Work) -> Outcome<()> {
    let lines: Vec<(&str, Vec<(f64, f64)>)> = record
        .contestants(work)
        .into_iter()
        .map(|name| {
            let points = record.sizes(work).into_iter().filter_map(|size| {
                let figure = record.figure(name, work, size)?;
                let shown = if work == Work::Latency { figure } else { figure * size as f64 / 1e9 };
                Some((size as f64, shown))
            });
            (name, points.collect())
        })
        .collect();
    let all = || lines.iter().flat_map(|line| line.1.iter().copied());
    let span = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (left, right) = span(&mut all().map(|point| point.0));
    let (low, high) = span(&mut all().map(|point| point.1));
    if left >= right || low >= high {
        return Ok(());
    }
    let title = if work == Work::Latency { "one way, ns" } else { "one to one, GB/s" };
    // Room for the legend on the right.
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 22))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d((left..right * 40.0).log_scale(), (low * 0.8..high * 1.3).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("bytes")
        .x_label_formatter(&|size| format!("{size:.0}"))
        .y_label_formatter(&|figure| if *figure < 1.0 { format!("{figure:.3}") } else { format!("{figure:.0}") })
        .draw()?;
    for (index, (name, points)) in lines.into_iter().enumerate() {
        let colour = colour(name, index);
        let width = if matches!(kind(name), Kind::Limit | Kind::Mi7) { 3 } else { 1 };
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(width)).point_size(width + 1))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font((FONT, 13))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// One bar for each contestant at 64 bytes, best first.
fn bars(area: &DrawingArea<SVGBackend, plotters::coord::Shift>, record: &Record, work: Work) -> Outcome<()> {
    let scale = if work == Work::Latency { 1.0 } else { 1e6 };
    let mut figures: Vec<(&str, f64)> = record
        .contestants(work)
        .into_iter()
        .filter_map(|name| Some((name, record.figure(name, work, 64)? / scale)))
        .collect();
    figures.sort_by(|one, other| one.1.total_cmp(&other.1));
    if work != Work::Latency {
        figures.reverse();
    }
    if figures.is_empty() {
        return Ok(());
    }
    let most = figures.iter().map(|figure| figure.1).fold(0.0, f64::max);
    let least = figures.iter().map(|figure| figure.1).fold(f64::MAX, f64::min);
    let title =
        if work == Work::Latency { "64 bytes one way, ns" } else { "64 bytes one to one, million messages a second" };
    let count = figures.len() as i32;
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 22))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(130)
        .build_cartesian_2d((least * 0.5..most * 3.0).log_scale(), -1..count)?;
    chart.configure_mesh().disable_y_mesh().disable_y_axis().light_line_style(WHITE).draw()?;
    for (index, (name, figure)) in figures.into_iter().enumerate() {
        let row = count - 1 - index as i32;
        let style = colour(name, index);
        let shown = if figure < 10.0 { format!("{figure:.2}") } else { format!("{figure:.0}") };
        let (_, top) = chart.backend_coord(&(most, row));
        let (start, _) = chart.backend_coord(&(least * 0.5, row));
        let (end, _) = chart.backend_coord(&(figure, row));
        let origin = area.get_base_pixel();
        let (start, end, top) = (start - origin.0, end - origin.0, top - origin.1);
        let half = (AREA.1 as i32 / 2 - 110) / (count + 1) / 2 - 2;
        area.draw(&Rectangle::new([(start, top - half), (end, top + half)], style.filled()))?;
        area.draw(&Text::new(shown, (end + 6, top - 6), (FONT, 13)))?;
        let label = (FONT, 14).into_text_style(area);
        let label = label.pos(plotters::style::text_anchor::Pos::new(
            plotters::style::text_anchor::HPos::Right,
            plotters::style::text_anchor::VPos::Center,
        ));
        area.draw(&Text::new(name.to_string(), (start - 6, top), label))?;
    }
    Ok(())
}

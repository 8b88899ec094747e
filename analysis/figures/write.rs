//! Writes the files of a figure: `NAME.svg`, `NAME.png`, the numbers as `NAME.csv`, and `NAME.json`, which says what it was made of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use llc::record::atomic::{Durability, replace};
use llc::record::filter::Filter;
use llc::record::read::Run;
use serde_json::json;

use super::figure::{Figure, Options};
use crate::plot::panel::{Drawing, Table};
use crate::plot::{compose, raster};

/// How the runs were chosen.
pub struct Chosen<'a> {
    pub filters: &'a [Filter],
    /// Folders, or the database, that they come from.
    pub places: Vec<String>,
    pub options: &'a Options,
}

impl Chosen<'_> {
    /// The conditions, as they are typed.
    pub fn conditions(&self) -> String {
        self.filters.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// Writes `drawing`, made of `runs`, into the folder `output`; the path of its SVG.
pub fn files(figure: &Figure, drawing: &Drawing, runs: &[Run], chosen: &Chosen, output: &Path) -> Result<PathBuf> {
    fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    let conditions = chosen.conditions();
    let filter = if conditions.is_empty() { "all".to_owned() } else { conditions.clone() };
    let svg = compose::file(drawing, figure.name, &format!("Runs: {filter}."));
    let png = raster::png(&svg)?;
    let about = json!({
        "figure": figure.name,
        "title": drawing.title,
        "caption": drawing.caption,
        "filter": conditions,
        "folders": chosen.places,
        "hue": chosen.options.hue,
        "smooth": chosen.options.smooth,
        "runs": runs.iter().map(|run| run.path.display().to_string()).collect::<Vec<_>>(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let path = |extension: &str| output.join(format!("{}.{extension}", figure.name));
    let write = |extension: &str, content: &[u8]| {
        let path = path(extension);
        replace(&path, content, Durability::Process).with_context(|| format!("cannot write {}", path.display()))
    };
    write("svg", svg.as_bytes())?;
    write("png", &png)?;
    write("csv", &csv_text(&drawing.table)?)?;
    write("json", format!("{about:#}\n").as_bytes())?;
    Ok(path("svg"))
}

/// `table` as comma-separated values.
pub fn csv_text(table: &Table) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&table.columns)?;
    for row in &table.rows {
        writer.write_record(row)?;
    }
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

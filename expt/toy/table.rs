//! Lays out the comparison of potentials: a block for each, a line for each sampler.

use std::fmt::Write as _;

use llc::theory::Toy;
use llc::words::{MISSING, fixed, with_error};
use serde_json::Value;

use crate::table::{Section, decimals, rendered, write_record};

/// The report as a person reads it.
pub fn render(report: &Value) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Value) -> std::fmt::Result {
    let run = Section(report);
    let points = run.list("/points");
    let potential = |point: &Value| point["potential"].as_str().and_then(Toy::from_name);
    for of_potential in points.chunk_by(|a, b| a["potential"] == b["potential"]) {
        let Some(toy) = potential(&of_potential[0]) else { continue };
        let first = Section(&of_potential[0]);
        let multiplicity = first.number("/multiplicity");
        let known = format!("λ = {}, m = {multiplicity}", first.text("/lambda_true_exact"));
        writeln!(out, "\n{:<16}K = {:<28} {known}", toy.name(), toy.formula())?;
        for round in of_potential.chunk_by(|a, b| a["n_beta"] == b["n_beta"]) {
            write_round(out, round, multiplicity)?;
        }
        writeln!(out, "{:<4}{}", "", toy.lesson())?;
    }
    let (num_agreeing, num_compared) = (run.number("/num_agreeing"), run.number("/num_compared"));
    writeln!(
        out,
        "\n{num_agreeing} of {num_compared} agree with the exact value within {} standard errors; sampling took {:.2} s",
        run.number("/max_z"),
        run.number("/timing/sampling_s")
    )?;
    writeln!(
        out,
        "z counts sampling errors that a chain can see. Into the arms of a crossing HMC, MALA and SGLD come seldom, and λ̂ is then low;\n\
         SGLD has no accept step, and is off by its ε besides; Gibbs draws exactly, where it fits."
    )?;
    write_record(out, &run)
}

/// One potential at one nβ.
fn write_round(out: &mut String, round: &[Value], multiplicity: f64) -> std::fmt::Result {
    let first = Section(&round[0]);
    let n = first.number("/n");
    let n = if n.is_finite() { format!("n = {n}, ") } else { String::new() };
    let setting = format!("{n}nβ = {:.5}, γ = {}", first.number("/n_beta"), first.number("/gamma"));
    write!(out, "{:<4}{:<10}{:.4}", "", "exact", first.number("/llc_exact"))?;
    let leading = first.number("/lambda_at_n_beta");
    if multiplicity > 1.0 && leading.is_finite() {
        write!(out, "   (λ − (m−1)/ln nβ = {leading:.4})")?;
    }
    writeln!(out, "   at {setting}")?;
    for point in round {
        let point = Section(point);
        write!(out, "{:<4}{:<10}", "", point.text("/sampler"))?;
        if !point.text("/left_out").is_empty() {
            writeln!(out, "{MISSING}  {}", point.text("/left_out"))?;
            continue;
        }
        let mcse = point.number("/llc/mcse");
        let digits = decimals(mcse).min(5);
        writeln!(
            out,
            "{}   z {:>5}   {:<9} ESS {:>6}   R-hat {}",
            with_error(point.number("/llc/mean"), mcse, digits),
            fixed(point.number("/z"), 1),
            point.text("/agreement"),
            fixed(point.number("/diagnostics/ess_bulk"), 0),
            fixed(point.number("/diagnostics/rhat"), 3)
        )?;
    }
    Ok(())
}

/// The estimates as a table for other programs; what was left out has no row.
pub fn csv(points: &[Value]) -> anyhow::Result<Vec<u8>> {
    const NUMBERS: [(&str, &str); 14] = [
        ("n", "/n"),
        ("n_beta", "/n_beta"),
        ("gamma", "/gamma"),
        ("lambda_true", "/lambda_true"),
        ("multiplicity", "/multiplicity"),
        ("llc_exact", "/llc_exact"),
        ("llc", "/llc/mean"),
        ("llc_mcse", "/llc/mcse"),
        ("ci90_low", "/llc/ci90/0"),
        ("ci90_high", "/llc/ci90/1"),
        ("z", "/z"),
        ("ess_bulk", "/diagnostics/ess_bulk"),
        ("rhat", "/diagnostics/rhat"),
        ("sampling_s", "/timing/sampling_s"),
    ];
    let mut table = csv::Writer::from_writer(Vec::new());
    table
        .write_record(["potential", "sampler"].into_iter().chain(NUMBERS.map(|(name, _)| name)).chain(["agreement"]))?;
    for point in points.iter().filter(|point| point["agreement"].is_string()) {
        let point = Section(point);
        let names = [point.text("/potential").to_owned(), point.text("/sampler").to_owned()];
        let numbers = NUMBERS.map(|(_, path)| point.number(path).to_string());
        table.write_record(names.into_iter().chain(numbers).chain([point.text("/agreement").to_owned()]))?;
    }
    Ok(table.into_inner()?)
}

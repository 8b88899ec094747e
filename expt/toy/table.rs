//! Lays out the comparison of potentials: a block for each, a line for each sampler.

use std::fmt::Write as _;

use llc::report::Report;
use llc::report::toy::{Compared, Outcome, Point, Toys};
use llc::theory::Toy;
use llc::words::{MISSING, fixed, with_error};

use llc::report::table::{self, Column, decimals, number, rendered, write_record};

/// The report as a person reads it.
pub fn render(report: &Report<Toys>) -> String {
    rendered(|out| write(out, report))
}

fn write(out: &mut String, report: &Report<Toys>) -> std::fmt::Result {
    let found = &report.found;
    for of_potential in found.points.chunk_by(|a, b| a.potential == b.potential) {
        let first = &of_potential[0];
        let Some(toy) = Toy::from_name(&first.potential) else { continue };
        let known = format!("λ = {}, m = {}", first.lambda_true_exact, first.multiplicity);
        writeln!(out, "\n{:<16}K = {:<28} {known}", toy.name(), toy.formula())?;
        for round in of_potential.chunk_by(|a, b| a.scale()[0] == b.scale()[0]) {
            write_round(out, round)?;
        }
        writeln!(out, "{:<4}{}", "", toy.lesson())?;
    }
    writeln!(
        out,
        "\n{} of {} agree with the exact value within {} standard errors; sampling took {:.2} s",
        found.num_agreeing, found.num_compared, found.max_z, found.timing.sampling_s
    )?;
    writeln!(
        out,
        "z is in units of the sampling error that the chains show. HMC, MALA and SGLD rarely enter the arms of a \
         crossing, and λ̂ is then low;\nSGLD has no accept step, and is also biased by ε; Gibbs draws exactly, where \
         it applies."
    )?;
    write_record(out, report)
}

/// One potential at one nβ.
fn write_round(out: &mut String, round: &[Point]) -> std::fmt::Result {
    let first = &round[0];
    let n = first.n.map_or(String::new(), |n| format!("n = {n}, "));
    write!(out, "{:<4}{:<10}{:.4}", "", "exact", first.llc_exact)?;
    let leading = first.lambda_at_n_beta;
    if first.multiplicity > 1 && leading.is_finite() {
        write!(out, "   (λ − (m−1)/ln nβ = {leading:.4})")?;
    }
    let [n_beta, gamma] = first.scale();
    writeln!(out, "   at {n}nβ = {n_beta:.5}, γ = {gamma}")?;
    for point in round {
        write!(out, "{:<4}{:<10}", "", point.sampler)?;
        let Compared { estimate, z, agreement, .. } = match &point.outcome {
            Outcome::Compared(compared) => compared.as_ref(),
            Outcome::LeftOut { left_out, .. } => {
                writeln!(out, "{MISSING}  {left_out}")?;
                continue;
            }
        };
        writeln!(
            out,
            "{}   z {:>5}   {agreement:<9} ESS {:>6}   R-hat {}",
            with_error(estimate.llc.mean, estimate.llc.mcse, decimals(estimate.llc.mcse).min(5)),
            fixed(*z, 1),
            fixed(estimate.diagnostics.ess_bulk, 0),
            fixed(estimate.diagnostics.rhat, 3)
        )?;
    }
    Ok(())
}

/// The estimates as a table for other programs; what was left out has no row.
pub fn csv(points: &[Point]) -> ::csv::Result<Vec<u8>> {
    type Row<'a> = (&'a Point, &'a Compared);
    let columns: [Column<Row>; 17] = [
        ("potential", |(point, _)| point.potential.clone()),
        ("sampler", |(point, _)| point.sampler.clone()),
        ("n", |(point, _)| number(point.n.map(|n| n as f64))),
        ("n_beta", |(_, compared)| number(compared.estimate.n_beta)),
        ("gamma", |(_, compared)| number(compared.estimate.gamma)),
        ("lambda_true", |(point, _)| number(point.lambda_true)),
        ("multiplicity", |(point, _)| point.multiplicity.to_string()),
        ("llc_exact", |(point, _)| number(point.llc_exact)),
        ("llc", |(_, compared)| number(compared.estimate.llc.mean)),
        ("llc_mcse", |(_, compared)| number(compared.estimate.llc.mcse)),
        ("ci90_low", |(_, compared)| number(compared.estimate.llc.ci90[0])),
        ("ci90_high", |(_, compared)| number(compared.estimate.llc.ci90[1])),
        ("z", |(_, compared)| number(compared.z)),
        ("ess_bulk", |(_, compared)| number(compared.estimate.diagnostics.ess_bulk)),
        ("rhat", |(_, compared)| number(compared.estimate.diagnostics.rhat)),
        ("sampling_s", |(_, compared)| number(compared.estimate.timing.sampling_s)),
        ("agreement", |(_, compared)| compared.agreement.clone()),
    ];
    let rows: Vec<Row> = points.iter().filter_map(|point| Some((point, point.compared()?))).collect();
    table::csv(&columns, &rows)
}

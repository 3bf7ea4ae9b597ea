"use strict";
// What the page knows, and which rows are wanted in which order.
const facts = JSON.parse(document.getElementById("facts").textContent);
const element = (id) => document.getElementById(id);
const words = (name) => (name ?? "").replaceAll("_", " ");
const plain = (text) => text.normalize("NFKC").toLowerCase();
const pWords = (p) => (p === undefined || p === null ? "not scored" : `p = ${p >= 0.1 ? p.toFixed(2) : Number(p.toPrecision(2))}`);

const rows = facts.rows;
rows.forEach((row, index) => {
  row.rank = index; // the rows come worst first
  row.folded = plain(row.name);
  if (row.suggested) row.suggested.name = row.name; // verdicts are on either of the two
});

const wanted = { status: "", reason: "", verdict: "", name: "", sort: "status", reversed: "" };

const collator = new Intl.Collator("en", { numeric: true });
const byRank = (a, b) => a.rank - b.rank;
const orders = {
  status: byRank,
  p: (a, b) => (a.p ?? 2) - (b.p ?? 2) || byRank(a, b),
  // No reason comes last.
  reason: (a, b) => !a.reason - !b.reason || collator.compare(a.reason ?? "", b.reason ?? "") || byRank(a, b),
  name: (a, b) => a.byName - b.byName,
};
// Comparing 10,000 names takes longer than all else here: once, and only when it is asked for.
function rankNames() {
  if (rows.length && rows[0].byName === undefined) {
    [...rows].sort((a, b) => collator.compare(a.name, b.name)).forEach((row, index) => { row.byName = index; });
  }
}

function matches(row) {
  return (!wanted.status || row.status === wanted.status)
    && (!wanted.reason || row.reason === wanted.reason)
    && (!wanted.verdict || (row.attempt ? verdicts.onAny(row)?.verdict ?? "none" : "") === wanted.verdict)
    && (!wanted.name || row.folded.includes(plain(wanted.name)));
}

function chosenRows() {
  if (wanted.sort === "name") rankNames();
  const found = rows.filter(matches).sort(orders[wanted.sort] ?? byRank);
  return wanted.reversed ? found.reverse() : found;
}

// A link such as report.html#status=quarantined opens the page filtered.
function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const key of Object.keys(wanted)) wanted[key] = asked.get(key) ?? wanted[key];
  if (!Object.hasOwn(orders, wanted.sort)) wanted.sort = "status";
}

function writeAddress() {
  const state = Object.entries(wanted).filter(([key, value]) => value && !(key === "sort" && value === "status"));
  const hash = new URLSearchParams(state).toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

/**
 * Tables for the terminal: columns as wide as they need to be, numbers to the right, totals below a line.
 *
 * @module
 */

/** A column: its title, and what it shows of a row. */
export interface Column<Row> {
  readonly title: string
  /** @default 'left' */
  readonly align?: 'left' | 'right'
  readonly cell: (row: Row) => string
  /** What it shows in a row of totals. @default nothing */
  readonly total?: (rows: readonly Row[]) => string
}

/**
 * Renders a table.
 *
 * @param totals Rows of totals, each over the rows that it stands for. The first column without a total shows its name.
 */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  totals: Readonly<Record<string, readonly Row[]>>,
): string {
  const head = columns.map((column) => column.title)
  const body = rows.map((row) => columns.map((column) => column.cell(row)))
  const foot = Object.entries(totals).map(([name, summed]) =>
    columns.map(({ total }, at) => (total ? total(summed) : at === 0 ? name : '')),
  )
  const widths = head.map((_, at) => Math.max(...[head, ...body, ...foot].map((row) => row[at]?.length ?? 0)))
  const lineOf = (cells: readonly string[]) =>
    cells
      .map((cell, at) =>
        columns[at]?.align === 'right' ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
      )
      .join('   ')
      .trimEnd()
  const rule = widths.map((width) => '-'.repeat(width)).join('---')
  return [lineOf(head), rule, ...body.map(lineOf), rule, ...foot.map(lineOf)].map((line) => `  ${line}`).join('\n')
}

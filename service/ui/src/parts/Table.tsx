import type { ReactNode } from "react";

export interface Column<T> {
  name: string;
  /** Hidden on narrow screens. */
  wide?: boolean;
  number?: boolean;
  cell: (row: T) => ReactNode;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  rowKey: (row: T) => string;
  empty: ReactNode;
}

/** A table of some hundred rows at most. */
export function Table<T>({ label, rows, columns, rowKey, empty }: Props<T>) {
  if (!rows.length) return <>{empty}</>;
  const style = (column: Column<T>) => [column.wide ? "wide" : "", column.number ? "num" : ""].join(" ");
  return (
    <div className="table-wrap" tabIndex={0} role="region" aria-label={label}>
      <table className="table">
        <thead>
          <tr>{columns.map((column) => <th key={column.name} scope="col" className={style(column)}>{column.name}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>{columns.map((column) => <td key={column.name} className={style(column)}>{column.cell(row)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

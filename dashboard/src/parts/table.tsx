// A table of any length: only the rows that can be seen are there. One row has the keyboard's focus: arrows, Page Up and
// Down, Home and End go from row to row, Tab to what is in it. A row with nothing to press has the focus itself.
import {
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';

export const ROW_HEIGHT = 34;
const OVERSCAN = 8;

export interface Column<Row> {
  id: string;
  label: string;
  /** A track of a CSS grid: `minmax(8rem, 2fr)`. */
  width: string;
  /** Numbers are set to the right. */
  number?: true;
  /** What it is sorted by. */
  sort?: (row: Row) => string | number;
  /** @param tab tabIndex of what can be used in it */
  cell: (row: Row, tab: 0 | -1) => ReactNode;
}

export interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  /** Id of the column that it is sorted by at first; `-id`: the largest first. */
  sorted?: string;
  /** Instead of rows, when there are none. */
  empty: ReactNode;
}

export function Table<Row>({ label, columns, rows, rowKey, sorted = '', empty }: TableProps<Row>) {
  const [order, setOrder] = useState<Order>({ by: sorted.replace('-', ''), down: sorted.startsWith('-') });
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [active, setActive] = useState(0);
  const body = useRef<HTMLDivElement>(null);
  const focusing = useRef(false);

  // biome-ignore lint/correctness/useExhaustiveDependencies: what columns show changes each second, not what they sort by
  const list = useMemo(() => {
    const by = columns.find(({ id }) => id === order.by)?.sort;
    if (!by) return rows;
    const keyed = rows.map((row) => [by(row), row] as const);
    keyed.sort(([a], [b]) => (a === b ? 0 : a < b ? -1 : 1));
    if (order.down) keyed.reverse();
    return keyed.map(([, row]) => row);
  }, [rows, order]);

  useEffect(() => {
    const element = body.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setHeight(element.clientHeight));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - OVERSCAN);
  const last = Math.min(list.length, Math.ceil((top + height) / ROW_HEIGHT) + OVERSCAN);
  // the row that Tab goes to is one that can be seen
  const topmost = Math.ceil(top / ROW_HEIGHT);
  const lowest = Math.max(topmost, Math.ceil((top + height) / ROW_HEIGHT) - 2); // the head takes one
  const current = Math.max(0, Math.min(Math.max(active, topmost), lowest, list.length - 1));
  const tracks = columns.map(({ width }) => width).join(' ');

  // what a row has to press is known once its cells are there
  useLayoutEffect(() => {
    for (const row of body.current?.querySelectorAll<HTMLElement>('[data-row]') ?? []) {
      if (row.querySelector('[tabindex]')) row.removeAttribute('tabindex');
      else row.tabIndex = row.dataset['row'] === String(current) ? 0 : -1;
    }
  });

  // the row is there only once it has been scrolled to
  useEffect(() => {
    if (!focusing.current) return;
    const row = body.current?.querySelector<HTMLElement>(`[data-row="${current}"]`);
    const target = row?.querySelector<HTMLElement>('[tabindex="0"]') ?? row;
    if (target && target !== document.activeElement) target.focus({ preventScroll: true });
    if (target) focusing.current = false;
  });

  const goTo = (index: number) => {
    const element = body.current;
    if (!element || list.length === 0) return;
    const to = Math.min(Math.max(index, 0), list.length - 1);
    const y = to * ROW_HEIGHT;
    const room = element.clientHeight - ROW_HEIGHT; // the head stays
    if (y < element.scrollTop) element.scrollTop = y;
    else if (y + ROW_HEIGHT > element.scrollTop + room) element.scrollTop = y + ROW_HEIGHT - room;
    focusing.current = true;
    setTop(element.scrollTop);
    setActive(to);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / ROW_HEIGHT) - 1);
    const steps: Record<string, number> = {
      ...{ ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + page, PageUp: current - page },
      ...{ Home: 0, End: list.length - 1 },
    };
    const to = steps[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    goTo(to);
  };

  return (
    <div className="table">
      <div
        className="table-scroll"
        role="table"
        aria-label={label}
        aria-rowcount={list.length + 1}
        aria-colcount={columns.length}
        ref={body}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <div role="rowgroup" className="table-head">
          <div role="row" className="table-row" aria-rowindex={1} style={{ gridTemplateColumns: tracks }}>
            {columns.map((column) => (
              <Head key={column.id} column={column} order={order} onSort={setOrder} />
            ))}
          </div>
        </div>
        <div
          role="rowgroup"
          className="table-body"
          style={{ height: list.length * ROW_HEIGHT }}
          onKeyDown={onKeyDown}
        >
          {list.slice(first, last).map((row, i) => {
            const index = first + i;
            return (
              <div
                key={rowKey(row)}
                role="row"
                className="table-row"
                aria-rowindex={index + 2}
                data-row={index}
                onFocus={() => setActive(index)}
                style={{ gridTemplateColumns: tracks, transform: `translateY(${index * ROW_HEIGHT}px)` }}
              >
                {columns.map(({ id, number, cell }) => (
                  <div key={id} role="cell" className={number ? 'cell number' : 'cell'}>
                    {cell(row, index === current ? 0 : -1)}
                  </div>
                ))}
              </div>
            );
          })}
          {list.length === 0 && (
            <div role="row" className="table-empty">
              <div role="cell">{empty}</div>
            </div>
          )}
        </div>
      </div>
    </div>
  );
}

interface Order {
  by: string;
  down: boolean;
}

function Head<Row>({
  column: { id, label, number, sort },
  order,
  onSort,
}: {
  column: Column<Row>;
  order: Order;
  onSort: (order: Order) => void;
}) {
  const here = order.by === id;
  const sorted = here ? (order.down ? 'descending' : 'ascending') : 'none';
  return (
    <div
      role="columnheader"
      className={number ? 'cell number' : 'cell'}
      {...(sort ? { 'aria-sort': sorted } : {})}
    >
      {sort ? (
        <button
          type="button"
          className="sort"
          onClick={() => onSort({ by: id, down: here ? !order.down : number === true })}
        >
          {label}
          <span aria-hidden="true" className="arrow">
            {here ? (order.down ? '↓' : '↑') : ''}
          </span>
        </button>
      ) : (
        <span>{label}</span>
      )}
    </div>
  );
}

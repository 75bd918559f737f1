import { useMemo } from 'react';
import type { WatchedMapping } from '../../../server/src/control/watch-views.ts';
import { count, dateTime } from '../format.ts';
import type { Model } from '../model.ts';
import { Icon } from '../parts/icons.tsx';
import { Badge, Empty, Facts, Panel, ViewHead } from '../parts/pieces.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { linkTo } from '../route.ts';

const KINDS = ['open', 'receive', 'linked', 'unlinked', 'close'] as const;

interface Written {
  forward?: string;
  open?: { url?: string };
  [field: string]: unknown;
}

export function Mappings({ model, id }: { model: Model; id: string | undefined }) {
  const { mappings = [], queues } = model;
  const one = mappings.find(({ name }) => name === id);
  const columns = useMemo(
    (): Column<WatchedMapping>[] => [
      {
        ...{ id: 'name', label: 'Mapping', width: 'minmax(7rem, 1.2fr)', sort: ({ name }) => name },
        cell: ({ name }, tab) => (
          <a href={linkTo('mappings', name)} tabIndex={tab}>
            {name}
          </a>
        ),
      },
      {
        id: 'version',
        label: 'Version',
        width: '5.5rem',
        number: true,
        sort: ({ version }) => version,
        cell: ({ version }) => count(version),
      },
      {
        ...{ id: 'open', label: 'Open function', width: 'minmax(10rem, 2.5fr)' },
        cell: ({ mapping }) => (mapping as Written).open?.url,
      },
      {
        ...{ id: 'kinds', label: 'Calls', width: 'minmax(8rem, 1.4fr)' },
        cell: ({ mapping }) => KINDS.filter((kind) => (mapping as Written)[kind] !== undefined).join(', '),
      },
      {
        ...{ id: 'sockets', label: 'Sockets', width: '6rem', number: true },
        cell: ({ name }) =>
          count(queues?.find(({ mapping }) => mapping === name)?.sockets ?? (queues ? 0 : undefined)),
      },
      {
        ...{ id: 'from', label: 'From', width: '9rem', sort: ({ declared }) => String(declared) },
        cell: ({ declared }) => (declared ? <Badge>baton.config</Badge> : <Badge tone="info">API</Badge>),
      },
    ],
    [queues],
  );
  if (id !== undefined) return <One mapping={one} id={id} />;
  return (
    <>
      <ViewHead
        title="Mappings"
        note="What a client asks for by name, and the functions that are called for it."
      />
      <Table
        label="Mappings"
        columns={columns}
        rows={mappings}
        rowKey={({ name }) => name}
        sorted="name"
        empty={
          <Empty title="No mappings">
            Declare them in baton.config, or make one with <code>baton mapping apply</code>.
          </Empty>
        }
      />
    </>
  );
}

function One({ mapping, id }: { mapping: WatchedMapping | undefined; id: string }) {
  return (
    <>
      <ViewHead
        title={id}
        note={
          <a href={linkTo('mappings')} className="back">
            <Icon name="back" /> All mappings
          </a>
        }
      />
      {mapping ? (
        <>
          <Facts
            facts={[
              ['Version', count(mapping.version)],
              ['Since', dateTime(mapping.updatedAt)],
              ['From', mapping.declared ? 'baton.config' : 'the control API'],
            ]}
          />
          <Panel title="As it is written">
            <pre>{JSON.stringify(mapping.mapping, null, 2)}</pre>
          </Panel>
        </>
      ) : (
        <Empty title="There is no such mapping" />
      )}
    </>
  );
}

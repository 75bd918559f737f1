import { mappingNotFound } from '../errors.ts';
import type { Mapping } from './schema.ts';

/** The mappings of a service, by name. */
export class MappingRegistry {
  private readonly mappings: Map<string, Mapping>;

  constructor(mappings: Mapping[]) {
    this.mappings = new Map(mappings.map((mapping) => [mapping.name, mapping]));
  }

  /** @throws BATON_MAPPING_NOT_FOUND */
  get(name: string): Mapping {
    const mapping = this.mappings.get(name);
    if (!mapping) throw mappingNotFound({ mapping: name });
    return mapping;
  }

  has(name: string): boolean {
    return this.mappings.has(name);
  }

  all(): Mapping[] {
    return [...this.mappings.values()];
  }
}

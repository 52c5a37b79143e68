// The files that `sbx init` writes.

export const templateNames = ['hello', 'pair', 'server'] as const;
export type TemplateName = (typeof templateNames)[number];

/** Text of a template for a sandbox of the given name. */
export function templateText(template: TemplateName, name: string): string {
  return `# A sandbox: VMs, the networks between them, and their disks.\n# See what this would do with: sbx plan\nversion: 1\nname: ${name}\n\nimages:\n  base: { build: tiny }            # a small Linux, built here once with: sbx image build tiny\n\n${bodies[template]}`;
}

const bodies: Readonly<Record<TemplateName, string>> = {
  hello: `networks:
  lan: { mode: nat }               # out to the world, nothing in

vms:
  hello:
    image: base
    cpus: 1
    memory: 256MiB
    networks: { lan: {} }
`,
  pair: `networks:
  lan: { mode: isolated }          # between the VMs only

templates:
  small: { image: base, cpus: 1, memory: 256MiB }

vms:
  db:
    template: small
    networks: { lan: {} }
  web:
    template: small
    count: 2                       # web[0] and web[1]
    depends_on: { db: ready }
    networks: { lan: {} }
    env: { DB_HOST: "\${vm.db.networks.lan.address}" }

outputs:
  db: \${vm.db.networks.lan.address}
`,
  server: `volumes:
  data: { size: 1GiB, protect: true }   # outlives the VM, and sbx destroy

networks:
  lan: { mode: nat }

vms:
  server:
    image: base
    cpus: { count: 1, max: 4 }     # up to max while it runs
    memory: { size: 256MiB, max: 1GiB }
    disks:
      data: { volume: data }
    networks:
      lan: { ports: ["8080:80"] }  # 127.0.0.1:8080 of this host leads to port 80 of the guest
`,
};

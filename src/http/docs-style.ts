/** Of the API's page: quiet, in both themes. */
export const DOCS_STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 0 auto; padding: 1rem; }
code { font-family: ui-monospace, monospace; font-size: 0.95em; overflow-wrap: anywhere; }
h1 small { font-weight: normal; color: GrayText; }
h2 { margin-top: 2.5rem; text-transform: capitalize; }
article { margin: 1.5rem 0; padding-top: 0.5rem; border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
h3 { margin: 0.5rem 0; }
nav a { margin-right: 0.75rem; }
table { width: 100%; border-collapse: collapse; margin: 0.75rem 0; }
th, td { padding: 0.2rem 0.75rem 0.2rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { color: GrayText; font-weight: normal; }
td { border-top: 1px solid color-mix(in srgb, currentColor 10%, transparent); }
`;

// Which TLS the flags ask for.
import t from 'tap';
import { planTls, type TlsFlags, tlsVariables, uriTls } from '../../src/program/tls.js';

const none: TlsFlags = {
  tls: undefined,
  tlsCertificates: undefined,
  tlsPsk: undefined,
  tlsVerifyPeer: false,
};

t.test('modes', (t) => {
  const tlsCertificates = '/c';
  const certificates = { credentials: { certificates: '/c' }, verifyPeer: false };
  t.equal(planTls(none), undefined);
  t.equal(planTls({ ...none, tls: 'off', tlsCertificates }), undefined);
  t.same(planTls({ ...none, tlsCertificates }), { mode: 'on', ...certificates });
  const required = planTls({ ...none, tls: 'require', tlsCertificates });
  t.same(required, { mode: 'require', ...certificates });
  t.match(planTls({ ...none, tlsPsk: '/k', tlsCertificates }), { credentials: { psk: '/k' } });
  t.same(uriTls(required), { certificates: '/c' });
  t.equal(uriTls(planTls({ ...none, tlsCertificates })), undefined, 'clients need not know');
  t.same(tlsVariables(required), { tls: '2', tls_certificates: '/c', tls_psk: '' });
  t.end();
});

t.test('contradictions', (t) => {
  const refused = (flags: Partial<TlsFlags>, message: RegExp): void => {
    t.throws(() => planTls({ ...none, ...flags }), { code: 'USAGE', message });
  };
  refused({ tlsCertificates: '' }, /--tls-certificates is empty/);
  refused({ tlsPsk: '' }, /--tls-psk is empty/);
  refused({ tlsVerifyPeer: true }, /--tls-verify-peer needs/);
  refused({ tlsVerifyPeer: true, tlsPsk: '/k' }, /--tls-verify-peer needs/);
  t.end();
});

"""A BMC made of pyghmi's server.

pybmc.py HOST PORT SCRIPT DIR SUITE, with the K_g in KG, and a user per line of
standard input: NAME:PASSWORD. The script, called with the directory, acts on the node.
"""

import os
import subprocess
import sys
import traceback

import pyghmi.ipmi.bmc as bmc

UNSPECIFIED, WRONG_STATE = 0xff, 0xd5


class Server(bmc.Bmc):
    def __init__(self, users, host, port, script, directory):
        super().__init__(users, port, address=host)
        self.command = ['/bin/sh', script, directory]

    def run(self, *words):
        """What the script says, or None if it fails."""
        done = subprocess.run(self.command + list(words), stdout=subprocess.PIPE)
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def set(self, *words):
        return UNSPECIFIED if self.run('set', *words) is None else 0

    def get_power_state(self):
        return {'power:0': 'off', 'power:1': 'on'}[self.run('get', 'power')]

    def get_chassis_status(self, session):
        if self.run('get', 'power') is None:
            session.send_ipmi_response(code=UNSPECIFIED)
        else:
            super().get_chassis_status(session)

    def is_active(self):
        return self.get_power_state() == 'on'

    def power_off(self):
        return self.set('power', '0')

    def power_on(self):
        return self.set('power', '1')

    def power_cycle(self):
        if not self.is_active():
            return WRONG_STATE
        return self.set('power', '0') or self.set('power', '1')

    def power_reset(self):
        return self.set('reset', '1') if self.is_active() else WRONG_STATE

    def pulse_diag(self):
        return self.set('diag', '1')

    def power_shutdown(self):
        return self.set('shutdown', '1')


def use_suite_17():
    """pyghmi's server agrees on suite 3 only. This one agrees on 17, and its own code does the rest."""
    import hashlib
    import hmac
    import struct
    import pyghmi.ipmi.private.constants as constants
    import pyghmi.ipmi.private.serversession as serversession

    class Session(serversession.ServerSession):
        def create_open_session_response(self, request):
            self.currhashlib, self.currhashlen = hashlib.sha256, 16
            self.clientsessionid, self.managedsessionid, self.privlevel = request[4:8], os.urandom(4), 4
            if (request[12], request[20], request[28]) != (3, 4, 1):
                return bytearray([request[0], 0x11, 0, 0]) + self.clientsessionid
            return (bytearray([request[0], 0, 4, 0]) + self.clientsessionid + self.managedsessionid
                    + bytearray([0, 0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 8, 4, 0, 0, 0, 2, 0, 0, 8, 1, 0, 0, 0]))

        def _send_rakp4(self, tag, status):
            text = bytes(self.Rm) + bytes(self.managedsessionid) + self.uuiddata
            proof = hmac.new(self.sik, text, hashlib.sha256).digest()[:16]
            self.send_payload(bytearray([tag, status, 0, 0]) + self.clientsessionid + proof,
                              constants.payload_types['rakp4'], retry=False)
            self.confalgo, self.integrityalgo, self.sequencenumber = 'aes', 'sha256', 1
            self.sessionid = struct.unpack('<I', struct.pack('4B', *self.clientsessionid))[0]

    # its steps of RAKP name SHA1
    serversession.hashlib = type('Hashes', (), {'sha1': hashlib.sha256, 'sha256': hashlib.sha256})
    serversession.ServerSession = Session


def main():
    host, port, script, directory, suite = sys.argv[1:]
    if suite == '17':
        use_suite_17()
    users = dict(line.rstrip('\n').split(':', 1) for line in sys.stdin)
    server = Server(users, host, int(port), script, directory)
    if os.environ.get('KG'):
        server.set_kg(os.environ['KG'])
    while True:
        try:
            # Its two threads have a race, after which a packet is seen only when this time is over.
            server.listen(timeout=0.2)
        except AttributeError:
            # A RAKP 3 came to a session that a copy of the Open Session Request has begun anew.
            traceback.print_exc()


main()

"""The embedded Valkey: its configuration and the command that starts it."""

import signal

import redis

from hikiproject.servers import Server, own, private


class Valkey(Server):
    """Valkey on a loopback port with a password, an append-only file, and no eviction."""

    name = "valkey"
    ending = signal.SIGTERM

    def prepare(self) -> None:
        """Write the configuration; it holds the password."""
        home = own(self.state / "valkey")
        private(
            home / "valkey.conf",
            f"bind 127.0.0.1\nport {self.credentials.broker_port}\n"
            f"requirepass {self.credentials.broker_password}\n"
            f'dir "{home}"\nappendonly yes\nappendfsync everysec\nmaxmemory-policy noeviction\n'
            'save ""\nset-proc-title no\ndaemonize no\n',
        )

    def command(self) -> list[str]:
        """See `Server.command`."""
        return [str(self.programs.valkey), str(self.state / "valkey" / "valkey.conf")]

    def answers(self) -> bool:
        """See `Server.answers`."""
        try:
            with redis.Redis.from_url(self.credentials.redis_url, socket_timeout=5) as client:
                return bool(client.ping())
        except redis.exceptions.RedisError:
            return False
